#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every file names its licence in its first lines. Test data, which must stay as it is, need not."""

import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TAG = "SPDX-License-Identifier: Apache-2.0"
SKIPPED_FOLDERS = {".git", ".cache", ".pytest_cache", "__pycache__", "build", "corpus", "golden"}
SKIPPED_FILES = {"LICENSE", ".git"}


def files():
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders
                      if name not in SKIPPED_FOLDERS and not name.startswith("build-")]
        for name in names:
            path = pathlib.Path(folder, name)
            if name not in SKIPPED_FILES and not name.endswith(".pyc") and path.is_file():
                yield path


def main():
    bare = []
    count = 0
    for path in files():
        count += 1
        with path.open("rb") as file:
            if TAG.encode() not in file.read(600):
                bare.append(path.relative_to(ROOT))
    for path in sorted(bare):
        print(f"{path}: no line '{TAG}' near the top")
    print(f"{'not ok' if bare else 'ok'} licence line in {count} files")
    return len(bare) > 0


if __name__ == "__main__":
    sys.exit(main())
