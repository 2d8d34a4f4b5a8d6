#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the documentation against the program: check_docs.py BINARY.

- docs/reference/close-reasons.md has a heading for every word of src/relay/close_reason.def and
  for no other;
- generated pages are what the program prints;
- docs/reference/api.md has every path and every metric of the source, and no others;
- docs/reference/log-fields.md has every key of a session's record and every event;
- docs/reference/client-hello.md has every sentence that a refused ClientHello gets;
- every configuration in conf/ and every block of the pages tagged ini passes `culvert -t`, with a
  certificate wherever it names one;
- links between pages, their anchors included, lead somewhere.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
GENERATED = {"docs/reference/configuration.md": ["explain", "--format", "markdown"]}
FENCE = re.compile(r"^```(.*)$")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def pages():
    top = sorted(ROOT.glob("*.md"))
    return top + sorted((ROOT / "docs").rglob("*.md")) + sorted((ROOT / "tests").glob("*/*.md"))


def blocks(text):
    """Yields (line number, language, content) of each fenced block."""
    language, start, content = None, 0, []
    for number, line in enumerate(text.split("\n"), 1):
        match = FENCE.match(line)
        if match and language is None:
            language, start, content = match.group(1).strip(), number + 1, []
        elif match:
            yield start, language, "\n".join(content) + "\n"
            language = None
        elif language is not None:
            content.append(line)


def prose(text):
    """The text without fenced blocks and code spans."""
    kept, inside = [], False
    for line in text.split("\n"):
        if FENCE.match(line):
            inside = not inside
        elif not inside:
            kept.append(re.sub(r"`[^`]*`", "", line))
    return "\n".join(kept)


def anchors(path):
    """The anchors a Markdown viewer gives to the headings of a page."""
    text = path.read_text()
    inside = False
    for line in text.split("\n"):
        if FENCE.match(line):
            inside = not inside
        elif not inside and (match := re.match(r"#+\s+(.*)", line)):
            word = re.sub(r"[^\w\- ]", "", match.group(1).strip().lower())
            yield word.replace(" ", "-")


def check_close_reasons(_):
    defined = re.findall(r'^CLOSE_REASON\(\w+,\s*"(\w+)"',
                         (ROOT / "src/relay/close_reason.def").read_text(), re.M)
    documented = re.findall(r"^### `(\w+)`$",
                            (ROOT / "docs/reference/close-reasons.md").read_text(), re.M)
    yield from (f"no entry for {word}" for word in defined if word not in documented)
    yield from (f"{word} is no close reason" for word in documented if word not in defined)


def check_generated(binary):
    for name, arguments in GENERATED.items():
        printed = subprocess.run([binary, *arguments], stdout=subprocess.PIPE, text=True, timeout=30)
        path = ROOT / name
        if printed.returncode != 0:
            yield f"culvert {' '.join(arguments)} failed with {printed.returncode}"
        elif not path.exists() or path.read_text() != printed.stdout:
            yield f"{name} is not what the program says; culvert {' '.join(arguments)} >{name}"


def check_api(_):
    """The tables of paths and metrics in the source against those of the page."""
    page = (ROOT / "docs/reference/api.md").read_text()
    paths = re.findall(r'EVHTTP_REQ_\w+, MAY_\w+, REST_(\w+), "([^"]+)"',
                       (ROOT / "src/admin/http_api.c").read_text())
    rests = {"NONE": "", "NAME": "ID", "PATH": "POOL"}
    paths = {path + rests[rest] for rest, path in paths}
    documented = re.findall(r"^\| (?:GET|DELETE|POST) \| `([^`]+)`", page, re.M)
    documented = {re.sub(r"/POOL/.*", "/POOL", path) for path in documented}
    yield from (f"path {path} is only in one place" for path in sorted(paths ^ documented))
    metrics = re.findall(r'METRIC_(\w+),\s*"(culvert_\w+)"',
                         "".join(
                             path.read_text() for path in sorted((ROOT / "src/admin").glob("*.c"))))
    metrics = {name + ("_total" if kind == "COUNTER" else "") for kind, name in metrics}
    documented = set(re.findall(r"^\| `(culvert_\w+)`", page, re.M))
    yield from (f"metric {name} is only in one place" for name in sorted(metrics ^ documented))
    if not paths or not metrics:
        yield "found no paths or no metrics in the source"


def check_record(_):
    """The keys of a session's record in the source, in their order, against the page's table."""
    source = (ROOT / "src/relay/session_record.c").read_text()
    keys = re.findall(r'(?:add_\w+|log_line_(?:integer|string|seconds))\(line, "(\w+)"', source)
    page = (ROOT / "docs/reference/log-fields.md").read_text()
    table = page.split("## `session_end`")[1].split("\n## ")[0]
    documented = [word for cells in re.findall(r"^\| ((?:`\w+` ?)+)\|", table, re.M)
                  for word in re.findall(r"`(\w+)`", cells)]
    if not keys or documented != ["time", "level", "event"] + keys:
        yield f"the record has the keys {' '.join(keys)}; the page {' '.join(documented)}"


def check_events(_):
    """Every event that the source logs by name has a line in the table of the page."""
    source = "".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.c")))
    events = set(re.findall(r'log_message\(LOG_\w+,\s*"(\w+)"', source) +
                 re.findall(r'log_event_begin\(&\w+,\s*\w+,\s*"(\w+)"', source))
    page = (ROOT / "docs/reference/log-fields.md").read_text().split("## The process")[1]
    documented = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\|([^|]*)\|", page, re.M))))
    yield from (f"event {event} has no line" for event in sorted(events - documented))
    if not events:
        yield "found no event in the source"


def check_hello_faults(_):
    """What the reader of ClientHellos may say of a client, against the page's table."""
    source = (ROOT / "src/tls/client_hello.c").read_text()
    source = re.sub(r'"\s*\n\s*"', "", source)  # a string may go on in the next line
    said = set(re.findall(r'"((?:the|a|another) [^"]+)"', source))
    said = {sentence for sentence in said if not sentence.startswith("a ClientHello that")}
    said.discard("the ClientHello is not complete")  # no verdict: more bytes are waited for
    page = (ROOT / "docs/reference/client-hello.md").read_text()
    documented = set(re.findall(r"^\| `([^`]+)` \|", page.split("## What is refused")[1], re.M))
    documented.discard("tls_error")  # the head of the table
    yield from (f"'{sentence}' is only in one place" for sentence in sorted(said ^ documented))
    if not said:
        yield "found no sentence in the source"


def make_certificate(path):
    """A PEM file with a key and a certificate that is its own authority."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "90", "-subj", "/CN=example.com",
                    "-addext", "subjectAltName=DNS:example.com,URI:spiffe://example.com/a",
                    "-keyout", f"{path}.key", "-out", f"{path}.crt"],
                   check=True, capture_output=True, timeout=30)
    path.write_text(pathlib.Path(f"{path}.key").read_text() +
                    pathlib.Path(f"{path}.crt").read_text())


class Place:
    """A folder in which configurations find what they name in /etc/culvert."""

    def __init__(self, binary, folder):
        self.binary = binary
        self.folder = pathlib.Path(folder)
        self.pem = self.folder / "one.pem"
        make_certificate(self.pem)
        for name in ("tls", "certs"):
            (self.folder / name).mkdir()
        for name in ("tls.crt", "tls.key", "ca.crt"):
            (self.folder / "tls" / name).write_text(self.pem.read_text())

    def faults(self, text):
        """What `culvert -t` has against a configuration; warnings are no fault."""
        text = text.replace("/etc/culvert/", f"{self.folder}/")
        for name in re.findall(rf"{re.escape(str(self.folder))}/(\S+\.pem)", text):
            (self.folder / name).write_text(self.pem.read_text())
        for key in re.findall(r"^sni_map\s*=\s*(\S+)", text, re.M):
            pools = re.findall(r"^\[pool (\S+)\]", text, re.M)
            pathlib.Path(key).write_text("".join(f"{pool}.example.com {pool}\n" for pool in pools))
        path = self.folder / "culvert.ini"
        path.write_text(text)
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("CULVERT_")}
        result = subprocess.run([self.binary, "-t", "-c", str(path)], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, timeout=30, env=environment)
        if result.returncode != 0:
            yield f"exit code {result.returncode}\n{result.stdout}"


def check_configurations(binary):
    for path in sorted((ROOT / "conf").rglob("*.ini")):
        with tempfile.TemporaryDirectory() as folder:
            for fault in Place(binary, folder).faults(path.read_text()):
                yield f"{path.relative_to(ROOT)}: {fault}"


def check_ini_blocks(binary):
    for page in pages():
        with tempfile.TemporaryDirectory() as folder:
            place = Place(binary, folder)
            for line, language, content in blocks(page.read_text()):
                if language != "ini":
                    continue
                for fault in place.faults(content):
                    yield f"{page.relative_to(ROOT)}:{line}: {fault}"


def check_links(_):
    for page in pages():
        for target in LINK.findall(prose(page.read_text())):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            path = (page.parent / name).resolve() if name else page
            if not path.exists():
                yield f"{page.relative_to(ROOT)}: {target} does not exist"
            elif anchor and path.suffix == ".md" and anchor not in set(anchors(path)):
                yield f"{page.relative_to(ROOT)}: {target} has no such heading"


CHECKS = {
    "every close reason is described": check_close_reasons,
    "generated pages are fresh": check_generated,
    "paths and metrics are those of the source": check_api,
    "the keys of a session's record are those of the source": check_record,
    "events are described": check_events,
    "what may be wrong with a ClientHello is described": check_hello_faults,
    "configurations in conf/ pass -t": check_configurations,
    "configurations in the pages pass -t": check_ini_blocks,
    "links lead somewhere": check_links,
}


def main():
    binary = os.path.abspath(sys.argv[1])
    failed = False
    for name, check in CHECKS.items():
        faults = list(check(binary))
        for fault in faults:
            print(fault)
        print(f"{'not ok' if faults else 'ok'} docs: {name}")
        failed = failed or bool(faults)
    return failed


if __name__ == "__main__":
    sys.exit(main())
