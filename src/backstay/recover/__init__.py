"""Text from a model to JSON (`parse`), JSON to a schema (`align`), and both as the text arrives (`Stream`)."""

from backstay.recover.align import Aligned, align
from backstay.recover.outcome import Fault, Parsed, Repair, Status
from backstay.recover.parse import parse
from backstay.recover.stream import Stream

__all__ = ["Aligned", "Fault", "Parsed", "Repair", "Status", "Stream", "align", "parse"]
