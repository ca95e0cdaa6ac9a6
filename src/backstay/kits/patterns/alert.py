"""Alerts: which lines of a log tell of a failure, by what the program itself calls them and by what they say.

A severe level alone is no alert: a machine that fails prints its registers at the same level, a line each. So a line is an
alert where it is severe and names a failing act ("interrupt", "failed", "panic"), and is not the value of something ("machine
state register: 0x..."), nor a complaint about what a user asked for (a file that is not there, a wrong format).
"""

from __future__ import annotations

import re
from typing import Final

from backstay.kits.patterns.event import Event

SEVERE: Final = frozenset(
    {"fatal", "severe", "error", "critical", "crit", "alert", "emerg", "emergency", "failure", "err", "panic"}
)
LEVELS: Final = frozenset({"level", "severity", "loglevel", "log_level", "priority"})
FAILING: Final = re.compile(
    r"\b(?:interrupt(?:ed)?|fail(?:ed|ure|s|ing)?|panic|error|exception|abort(?:ed)?|crash(?:ed)?|killed|lost|unreachable|corrupt(?:ed)?"
    r"|time[d ]?-?out|refused|denied|dead(?:lock)?|overflow|unable|cannot|could not|break-in)\b",
    re.IGNORECASE,
)
VALUE: Final = re.compile(r"(?:\.{3,}\s*|[:=]\s+)(?:0x)?[0-9a-fA-F]*\s*$|[:=]0x[0-9a-fA-F]+\s*$|[:=]\s*$")
"""A line that ends in a name and its value: a register, a counter, a heading of them."""
USER: Final = re.compile(
    r"no such file|not a directory|is a directory|permission denied|invalid or missing|bad file descriptor|exec format"
    r"|block device required|no such user|invalid argument",
    re.IGNORECASE,
)
"""What the one who asked did wrong (the texts of errno)."""


def is_severe(event: Event) -> bool:
    """Whether the source itself calls it an error or worse."""
    level = next((value for name, value in event.attributes.items() if name.lower() in LEVELS), "")
    return level.strip().lower() in SEVERE


def is_alert(event: Event) -> bool:
    """Whether it tells of a failure that somebody should look at."""
    text = event.raw_text or event.what
    return is_severe(event) and bool(FAILING.search(text)) and not VALUE.search(text) and not USER.search(text)
