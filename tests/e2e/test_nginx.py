# SPDX-License-Identifier: Apache-2.0
"""nginx behind the relay (HTTP with kept-alive connections, large bodies both ways) and before it
(its stream proxy); curl as the client."""
import hashlib

import pytest

from harness import programs
from harness.culvert import relay_to
from harness.peer import FIN, EchoServer, connect, pattern, reading

pytestmark = [pytest.mark.programs, programs.needs("nginx", "curl")]


def test_nginx_behind(culvert, tmp_path):
    body = pattern(20_000_000)
    (tmp_path / "file").write_bytes(body)
    (tmp_path / "file").chmod(0o644)
    for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o777)
    config = """
user root;
http {
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 50m;
    server {
        listen unix:{path};
        root {folder};
        location = /hello { return 200 "hello"; }
        location = /upload { proxy_pass http://unix:{path}:/hello; }
    }
}
"""
    with programs.nginx(tmp_path, config) as path:
        relay = culvert(relay_to(f"unix:{path}"))
        base = f"http://{relay.address()}"
        assert programs.run("curl", "-sS", base + "/hello") == "hello"
        # Three requests on one connection.
        assert programs.run("curl", "-sS", *[base + "/hello"] * 3) == "hello" * 3
        out = tmp_path / "out"
        programs.run("curl", "-sS", "-o", str(out), base + "/file")
        assert hashlib.sha256(out.read_bytes()).digest() == hashlib.sha256(body).digest()
        answer = programs.run("curl", "-sS", "--data-binary", f"@{tmp_path}/file", base + "/upload")
        assert answer == "hello"
        if programs.find("ab"):
            programs.run("ab", "-q", "-n", "500", "-c", "20", base + "/hello")
        assert {one["reason"] for one in relay.session_records()} <= {"done", "client_reset"}


def test_nginx_before(culvert, tmp_path):
    server = EchoServer()
    relay = culvert(relay_to(server))
    config = f"""
stream {{
    server {{
        listen unix:{{path}};
        proxy_pass {relay.address()};
        proxy_half_close on;
    }}
}}
"""
    with programs.nginx(tmp_path, config) as path:
        data = pattern(2_000_000)
        client = connect(f"unix:{path}")
        back = reading(client)
        client.send(data)
        client.fin()
        assert back.result() == (data, FIN)
        assert relay.only_record()["reason"] == "done"
