# SPDX-License-Identifier: Apache-2.0
"""A session is killed while it tries a server that had been ejected: the trial goes to the next
session, so the server can come back."""
from harness.culvert import relay_to
from harness.peer import Blackhole, NamedServer, connect, read_line
from harness.wait import duration, span, wait_until


def test_killed_trial_is_given_to_another_session(culvert):
    good = NamedServer("good")
    dead = Blackhole()
    relay = culvert(relay_to([f"dead {dead.address}", f"good {good.address}"], pool={
        "balance": "first", "max_fails": 1, "fail_timeout": "200ms", "connect_timeout": duration(span(0.7))}))
    assert read_line(connect(relay.address())) == "good"  # after a timeout: dead is ejected
    wait_until(lambda: relay.metric("culvert_server_up", server="dead") == 0, 2, "the ejection")

    def is_killed_on_trial():
        """Whether a session that is connecting to the dead server was there and is killed."""
        connect(relay.address())
        trials = [one["id"] for one in relay.sessions("?phase=connect") if one["server"] == "dead"]
        return trials and relay.get(f"/api/v1/sessions/{trials[0]}", method="DELETE")[0] == 200

    def is_up_for_another():
        connect(relay.address())
        return relay.metric("culvert_server_up", server="dead") == 1

    wait_until(is_killed_on_trial, 5, "a trial")
    dead.open()
    wait_until(is_up_for_another, 5, "the server to be up again")
