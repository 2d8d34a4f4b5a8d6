# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end suite.

`culvert` starts relays; at the end of the test each must be alive, without sessions, with its
descriptors back at the base, must exit 0 when told to stop, and must have no sanitizer report.
"""
import os
import signal

import pytest

from harness import culvert as culvert_module
from harness import peer
from harness.wait import slowness


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("plain_build") and culvert_module.SANITIZER:
            item.add_marker(pytest.mark.skip(
                reason=f"measures what the {culvert_module.SANITIZER} sanitizer distorts"))


def pytest_sessionstart(session):
    # A test holds thousands of sockets; the relays it starts inherit the limit.
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(scope="session", autouse=True)
def binary_is_there():
    if not os.access(culvert_module.BINARY, os.X_OK):
        pytest.exit(f"no culvert at {culvert_module.BINARY}; build it or set CULVERT_BINARY", 2)


@pytest.fixture(autouse=True)
def test_deadline(request):
    """A test that hangs fails by itself."""
    marker = request.node.get_closest_marker("deadline")
    seconds = (marker.args[0] if marker else 60) * slowness()

    def ring(number, frame):
        raise AssertionError(f"the test did not end in {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def culvert(test_deadline):
    """Factory: culvert(sections, **options) starts a relay (harness.culvert.Culvert)."""
    started = []

    def start(sections, **options):
        relay = culvert_module.Culvert(sections, **options)
        started.append(relay)
        return relay

    yield start
    peer.close_all()
    failure = None
    for relay in started:
        try:
            relay.check_and_stop()
        except BaseException as error:
            relay.kill()
            failure = failure or error
    if failure:
        raise failure


@pytest.fixture(autouse=True)
def close_peers():
    yield
    peer.close_all()


@pytest.fixture(params=["copy", "splice"])
def method(request):
    """How the relay moves the bytes. 'splice' lets it: the test must then send in bulk."""
    return request.param


@pytest.fixture
def splice_key(method):
    """The INI value that goes with `method`."""
    return "off" if method == "copy" else "auto"
