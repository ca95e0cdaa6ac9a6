"""Log lines: the head of a line (time, level, component, process) apart from its message, for the usual forms.

A form is a row of `FORMS`; the first that fits a line is taken. Times are read by `FORMATS`; one without a year gets the
caller's, one without a zone is taken as UTC, as everywhere in this kit.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final

_LEVEL = r"(?P<level>(?i:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|SEVERE|FATAL|CRIT(?:ICAL)?|FAILURE|EMERG|ALERT))"
_ISO = r"(?P<when>\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d+)?(?:Z|[+-]\d{2}:?\d{2})?)"
_SYSLOG = r"(?P<when>[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2})"

FORMS: Final = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        rf"^(?:\S+\.log\S* )?{_ISO} (?P<pid>\d+) {_LEVEL} (?P<component>\S+) (?:\[[^\]]*\] )?(?P<content>.*)$",  # OpenStack
        rf"^{_ISO} - {_LEVEL}\s+\[(?P<node>.*?)(?P<component>[\w$]*)@\d+\] - (?P<content>.*)$",  # ZooKeeper
        rf"^{_ISO}[ |\-]+\[?{_LEVEL}\]?[ :|\-]+\[(?P<component>[\w.$/\-]+)\]:? (?:- )?(?P<content>.*)$",
        rf"^{_ISO}[ |\-]+\[?{_LEVEL}\]?[ :|\-]+(?:(?P<component>[\w.$/\-]+)(?:: | - ))?(?P<content>.*)$",
        rf"^{_SYSLOG} (?P<node>\S+) (?P<component>[\w.\-/]+)(?:\[(?P<pid>\d+)\])?: (?P<content>.*)$",
        # Apache
        rf"^\[(?P<when>[A-Z][a-z]{{2}} [A-Z][a-z]{{2}} [ \d]\d [\d:.]+ \d{{4}})\] \[(?:\w+:)?{_LEVEL}\] (?P<content>.*)$",
        rf"^(?P<when>\d{{6}} \d{{6}}) (?P<pid>\d+) {_LEVEL} (?P<component>[^\s:]+): (?P<content>.*)$",  # HDFS
        rf"^\S+ (?P<when>\d{{9,10}}) \S+ (?P<node>\S+) \S+ \S+ \S+ (?P<component>\S+) {_LEVEL} (?P<content>.*)$",  # Blue Gene/L
        rf"^{_ISO}[ |\-]*(?P<content>.*)$",
    )
)
"""The heads of lines, the special ones first: Loghub's six systems, and what frameworks write by default."""

FORMATS: Final = (
    "%Y-%m-%d-%H.%M.%S.%f", "%Y-%m-%d %H:%M:%S.%f", "%d/%m/%Y %H:%M:%S", "%d/%b/%Y:%H:%M:%S %z", "%a %b %d %H:%M:%S %Y",
    "%a %b %d %H:%M:%S.%f %Y", "%y%m%d %H%M%S", "%Y.%m.%d %H:%M:%S", "%Y %b %d %H:%M:%S",
)  # fmt: skip
EPOCH: Final = re.compile(r"\d{9,10}(?:\.\d+)?|\d{13}")


def read_line(line: str, year: int) -> dict[str, Any] | None:
    """The parts of a line as a row: when, content, and level, component, node, pid where it tells them; None without a time."""
    for form in FORMS:
        found = form.match(line)
        if found is not None and read_time(found["when"], year) is not None:
            row = {name: value.strip() for name, value in found.groupdict().items() if value}
            row.setdefault("content", "")
            if "pid" in row and "node" in row and "level" not in row:  # syslog: one process serves one session
                row["case"] = f"{row['component']}[{row['pid']}]"
            return row
    return None


def read_time(text: str, year: int) -> dt.datetime | None:
    """The instant that `text` states; None where it states none."""
    given = " ".join(text.split())
    if EPOCH.fullmatch(given):
        return dt.datetime.fromtimestamp(int(given) / 1000 if len(given) == 13 else float(given), dt.UTC)
    plain = given.replace(",", ".")
    for known in (given, plain):
        try:
            return _zoned(dt.datetime.fromisoformat(known))
        except ValueError:
            continue
    if given[:1].isalpha() and re.match(r"[A-Z][a-z]{2} \d{1,2} \d", given):
        plain = f"{year} {given}"
    for form in FORMATS:
        try:
            return _zoned(dt.datetime.strptime(plain, form))  # noqa: DTZ007 - the zone is set next
        except ValueError:
            continue
    return None


def _zoned(found: dt.datetime) -> dt.datetime:
    return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)
