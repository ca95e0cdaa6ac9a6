#!/usr/bin/env python3
"""Decode every record of a file of recorded traffic and print what came out: scripts/wire FILE.jsonl.gz [DIALECT ...]"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "codecs"), str(ROOT / "src")]

from wire_table import build  # noqa: E402


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    table = build(Path(sys.argv[1]), only=sys.argv[2:])
    for line in (*table.failures, *table.lines()):
        print(line)
    return 1 if table.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
