"""What the codec tests share: this folder on the path, so that they can import `strategies`, `wire_table` and `fixture`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
