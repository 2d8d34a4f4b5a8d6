#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One round trip through a culvert on free ports: check_round_trip.py BINARY.

Starts the built-in configuration (an echo service behind the relay), sends bytes, ends the
stream, expects the same bytes and the end back, and stops culvert with TERM.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

DEADLINE_SECONDS = 15


class UnixConnection(http.client.HTTPConnection):
    """HTTP over culvert's control socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=5)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self.path)


def get(path, url):
    connection = UnixConnection(path)
    try:
        connection.request("GET", url)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def wait_until_ready(process, control):
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"culvert stopped at start, exit code {process.returncode}")
        try:
            if get(control, "/readyz")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise SystemExit(f"culvert is not ready after {DEADLINE_SECONDS} s")


def listening_address(control):
    listeners = json.loads(get(control, "/api/v1/listeners")[1])["listeners"]
    address = next(item for item in listeners if item["name"] == "main")["addresses"][0]
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def round_trip(address):
    sent = os.urandom(256) * 512
    received = bytearray()
    with socket.create_connection(address, timeout=DEADLINE_SECONDS) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        while True:
            chunk = client.recv(65536)
            if not chunk:
                break
            received += chunk
    if received != sent:
        raise SystemExit(f"sent {len(sent)} bytes, got back {len(received)} or other ones")
    return len(sent)


def main():
    binary = sys.argv[1]
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("CULVERT_")}
    with tempfile.TemporaryDirectory(prefix="culvert-") as folder:
        control = os.path.join(folder, "control.sock")
        configuration = os.path.join(folder, "culvert.ini")
        with open(configuration, "wb") as file:
            file.write(subprocess.run([binary, "--print-default"], check=True,
                                      stdout=subprocess.PIPE).stdout)
        process = subprocess.Popen(
            [binary, "-c", configuration, "-s", "listen.main.bind=127.0.0.1:0",
             "-s", "admin.bind=127.0.0.1:0", "-s", "metrics.bind=127.0.0.1:0",
             "-s", f"admin.socket={control}"],
            env=environment)
        try:
            wait_until_ready(process, control)
            address = listening_address(control)
            size = round_trip(address)
            process.terminate()
            code = process.wait(timeout=DEADLINE_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if code != 0:
        raise SystemExit(f"culvert stopped with exit code {code}")
    print(f"ok: {size} bytes went through {address[0]}:{address[1]} and came back, "
          "end of stream included")


if __name__ == "__main__":
    main()
