# SPDX-License-Identifier: Apache-2.0
"""Whatever the log is and does (a pipe nobody reads, /dev/full, a full disk), the relay goes on,
counts what it could not write, and starts and stops as usual (RX7)."""
import os
import subprocess

import pytest

from harness.culvert import StartFailed, relay_to
from harness.peer import FIN, EchoServer, connect
from harness.wait import Stopwatch, limit, wait_until


def sessions(relay, count):
    address = relay.address()
    for _ in range(count):
        client = connect(address)
        client.send(b"hello")
        client.fin()
        client.expect_end(FIN, b"hello")
        client.close()


def test_log_reader_stopped(culvert):
    """Records are about 400 bytes, a pipe holds 64 KiB and the queue here 64 records."""
    server = EchoServer()
    reading, writing = os.pipe()
    try:
        relay = culvert(relay_to(server), stderr=writing, log={"queue": 64})
        os.close(writing)
        writing = -1
        sessions(relay, 50)
        watch = Stopwatch()
        sessions(relay, 50)
        usual = watch.seconds()
        sessions(relay, 300)  # by now nothing more fits
        wait_until(lambda: relay.metric("culvert_log_records_dropped_total") > 0, 3,
                   "lost records to be counted")
        watch = Stopwatch()
        sessions(relay, 50)
        assert watch.seconds() < 3 * usual + limit(3)
        relay.wait_idle()
        # Somebody reads again: the log goes on.
        os.set_blocking(reading, False)
        lines = []

        def read_all():
            try:
                while True:
                    lines.append(os.read(reading, 1 << 16))
            except BlockingIOError:
                return True

        read_all()
        sessions(relay, 3)
        taken = len(lines)
        wait_until(lambda: read_all() and len(lines) > taken, 3, "records after the reader resumed")
        code = relay.stop()
        assert code == 0
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)


def test_stopped_reader_does_not_keep_the_process(culvert):
    """Nobody ever reads the log: the process still ends when it is told to."""
    server = EchoServer()
    reading, writing = os.pipe()
    try:
        relay = culvert(relay_to(server), stderr=writing, log={"queue": 64})
        os.close(writing)
        writing = -1
        sessions(relay, 400)
        watch = Stopwatch()
        assert relay.stop() == 0
        assert watch.seconds() < limit(15)
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)


def test_log_on_a_full_device(culvert):
    server = EchoServer()
    with open("/dev/full", "wb") as full:
        relay = culvert(relay_to(server), stderr=full)
        sessions(relay, 20)
        wait_until(lambda: relay.metric("culvert_log_records_dropped_total") >= 20, 3,
                   "every record to be counted as dropped")


def test_log_file_on_a_full_disk(culvert, tmp_path):
    """A tmpfs of 64 kB: records are dropped while it is full and written again when there is room."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)],
                             capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        server = EchoServer()
        ballast = place / "ballast"
        ballast.write_bytes(b"x" * 60_000)
        relay = culvert(relay_to(server), log={"output": str(place / "log")})
        sessions(relay, 60)
        wait_until(lambda: relay.metric("culvert_log_records_dropped_total") > 0, 3, "dropped records")
        ballast.unlink()
        sessions(relay, 5)
        wait_until(lambda: (place / "log").read_text().count("session_end") >= 10, 3,
                   "records after there was room again")
        relay.check_and_stop()
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def test_log_to_a_fifo_without_reader(culvert, tmp_path):
    """Either refused at the start with a clear word, or relaying: never a start that hangs."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    server = EchoServer()
    try:
        relay = culvert(relay_to(server), log={"output": str(fifo)}, wait_ready=False)
        relay.wait_ready(5)
    except StartFailed as failure:
        assert failure.code in (71, 78)
        relay.stopped_by_test = True
        assert "fifo" in failure.stderr
        return
    sessions(relay, 5)
