# SPDX-License-Identifier: Apache-2.0
"""Five thousand clients at once (fewer when descriptors are short): all connected at the same time,
all served, every byte and every end right."""
import resource

import pytest

from harness.crowd import Crowd, plans
from harness.culvert import SANITIZER, relay_to
from harness.peer import Listener


@pytest.mark.deadline(90)
def test_five_thousand_clients(culvert):
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(5000 if not SANITIZER else 1500, (soft - 500) // 2)
    server = Listener()
    relay = culvert(relay_to(server), workers=2)
    seen = []
    crowd = Crowd(relay.address(), server, at_once=count, hold=True, seconds=70, chunk=(500, 4000),
                  read_size=(4096, 65536), on_all_open=lambda: seen.append(relay.sessions_total()))
    crowd.run(plans(count, size=(0, 3000))).check()
    assert seen == [count]
    relay.wait_metric("culvert_sessions_closed_total", count, reason="done")
