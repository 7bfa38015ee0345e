"""Keeps the smallest of what was found: keep.py MERGED KNOWN CORPUS.

MERGED are inputs that are enough for all coverage, KNOWN those that are known already. Lines of CORPUS that a comment
tells of stay as they are.
"""

import sys
from pathlib import Path

MOST_BYTES = 4096

merged, known, corpus = map(Path, sys.argv[1:])
lines = corpus.read_text().splitlines() if corpus.exists() else []
told, comments = [], []
for line in lines:
    if line.startswith("#"):
        comments.append(line)
    elif comments:
        told += [*comments, line]
        comments = []
seen = {bytes.fromhex(line) for line in told if not line.startswith("#")}
seeds = {path.read_bytes() for path in known.iterdir()} - {
    bytes.fromhex(line) for line in lines if line and not line.startswith("#")
}
found = {path.read_bytes() for path in merged.iterdir()} - seen - seeds
kept, size = [], 0
for data in sorted(found, key=lambda data: (len(data), data)):
    size += len(data)
    if size > MOST_BYTES:
        break
    kept.append(data.hex())
corpus.write_text("\n".join(told + [line for line in kept if line]) + "\n")
print(f"{corpus}: {len(kept)} of {len(found)} inputs kept")
