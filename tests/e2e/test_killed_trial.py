# SPDX-License-Identifier: Apache-2.0
"""A session is killed while it tries a server that had been ejected: the trial goes to the next
session, so the server can come back."""
from harness.culvert import relay_to
from harness.peer import Blackhole, NamedServer, connect, read_line
from harness.wait import wait_until


def test_killed_trial_is_given_to_another_session(culvert):
    good = NamedServer("good")
    dead = Blackhole()
    relay = culvert(relay_to([f"dead {dead.address}", f"good {good.address}"], pool={
        "balance": "first", "max_fails": 1, "fail_timeout": "200ms", "connect_timeout": "500ms"}))
    assert read_line(connect(relay.address())) == "good"  # after a timeout: dead is ejected
    wait_until(lambda: relay.metric("culvert_server_up", server="dead") == 0, 2, "the ejection")

    def on_trial():
        """A session that is connecting to the dead server, if this one is."""
        connect(relay.address())
        return [one for one in relay.sessions()
                if (one["phase"], one["server"]) == ("connect", "dead")]

    trial = wait_until(on_trial, 5, "a trial")
    status, _ = relay.get(f"/api/v1/sessions/{trial[0]['id']}", method="DELETE")
    assert status == 200
    dead.open()
    wait_until(lambda: on_trial() is not None and relay.metric(
        "culvert_server_up", server="dead") == 1, 5, "the server to be up again")
