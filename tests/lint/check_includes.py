#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A folder of src/ includes headers of its own and of the folders to its left; unit tests likewise.

The order is `layers` in src/meson.build. In a .c file its own header comes first, then <...>, then
ours from left to right.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def layers():
    text = (ROOT / "src/meson.build").read_text()
    return re.findall(r"'(\w+)'", re.search(r"^layers = \[(.*?)\]", text, re.M | re.S).group(1))


def faults(path, layer, order):
    own = f"{layer}/{path.stem.removeprefix('test_')}.h"
    includes = INCLUDE.findall(path.read_text())
    ours = [name for kind, name in includes if kind == '"']
    for name in ours:
        folder = name.split("/")[0]
        if folder not in order or "/" not in name:
            yield f'"{name}" is not of the form "layer/file.h"'
        elif order.index(folder) > order.index(layer):
            yield f'"{name}" stands to the right of {layer}'
    is_test = path.stem.startswith("test_")
    if own in ours and path.suffix == ".c" and not is_test and includes[0] != ('"', own):
        yield f'"{own}" must come first'
    others = [item for item in includes if item[1] != own]
    ranks = [order.index(name.split("/")[0]) if kind == '"' and name.split("/")[0] in order else -1
             for kind, name in others]
    if ranks != sorted(ranks):
        yield "includes are not in the order <...>, then ours from left to right"


def main():
    order = layers()
    failed = 0
    for base in (ROOT / "src", ROOT / "tests/unit"):
        for layer in order:
            for path in sorted((base / layer).glob("*.[ch]")):
                found = list(faults(path, layer, order))
                failed += len(found)
                for fault in found:
                    print(f"{path.relative_to(ROOT)}: {fault}")
    print(f"{'not ok' if failed else 'ok'} include order of {', '.join(order)}")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
