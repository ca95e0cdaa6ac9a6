"""Text from a model to JSON (`parse`), JSON to a schema (`align`), and both as the text arrives (`Stream`).

Names are resolved on first use, so that reading JSON does not load the schema validator.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backstay.recover.alignment import Aligned as Aligned
    from backstay.recover.alignment import align as align
    from backstay.recover.cost import Coercion as Coercion
    from backstay.recover.outcome import Fault as Fault
    from backstay.recover.outcome import Parsed as Parsed
    from backstay.recover.outcome import Repair as Repair
    from backstay.recover.outcome import Status as Status
    from backstay.recover.recovery import parse as parse
    from backstay.recover.stream import Stream as Stream

_HOME = {
    "Aligned": "alignment", "Coercion": "cost", "Fault": "outcome", "Parsed": "outcome", "Repair": "outcome",
    "Status": "outcome", "Stream": "stream", "align": "alignment", "parse": "recovery",
}  # fmt: skip

__all__ = ["Aligned", "Coercion", "Fault", "Parsed", "Repair", "Status", "Stream", "align", "parse"]


def __getattr__(name: str) -> Any:
    """The public name, from its module."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
