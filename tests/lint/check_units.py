#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every source file has unit tests in its mirror: src/LAYER/FILE.c, tests/unit/LAYER/test_FILE.c.

Each such test is built: its name stands in the folder's meson.build. Planted faults are no part of
the program; tests/mutation shows what they do.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    faults = []
    sources = sorted(path for path in (ROOT / "src").glob("*/*.c")
                     if path.stem not in ("fault", "flow_fault"))
    for source in sources:
        layer, name = source.parent.name, source.stem
        folder = ROOT / "tests/unit" / layer
        if not (folder / f"test_{name}.c").exists():
            faults.append(f"src/{layer}/{name}.c has no tests/unit/{layer}/test_{name}.c")
        elif not re.search(rf"'{name}'", (folder / "meson.build").read_text()):
            faults.append(f"tests/unit/{layer}/test_{name}.c is not in its meson.build")
    print(*faults, sep="\n")
    print(f"{'not ok' if faults else 'ok'} unit tests of {len(sources)} source files")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
