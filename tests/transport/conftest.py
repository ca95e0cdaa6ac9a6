"""What the transport tests share: this folder on the path, so that they can import `fault_server` and `conformance`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
