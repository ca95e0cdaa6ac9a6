"""A damaged text to its document: locate the candidates, scan each, choose, report.

The thinking and the prose are set aside and the best rank of candidate wins. Several equals become a list, never a merge
and never the last one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from backstay.recover.anchor import property_names
from backstay.recover.gate import NonFinite, too_deep
from backstay.recover.locate import Start, next_start, thought_end
from backstay.recover.machine import run
from backstay.recover.outcome import Fault, Log, Parsed, Status
from backstay.recover.plain import read_plainly
from backstay.recover.salvage import salvage
from backstay.recover.scalar import read_lone
from backstay.recover.scan import ARRAY, OBJECT, Page, Scan, TooDeep
from backstay.recover.value import read_value

ESCAPED_CHAR = re.compile(r"\\([\"\\])")
ESCAPED = re.compile(r"[{\[]\s*\\+[\"n]|\\+\"")
LETTER = re.compile(r"[^\W\d_]")
REMARK = re.compile(r"/\*[\s\S]*?(?:\*/|\Z)|//[^\n]*|^\s*#[^\n]*")
REOPEN_OBJECT = re.compile(r"[\s}\]]*,\s*(?:\"[^\"\n]{0,120}\"\s*[:\"]|'[^'\n]{0,120}'\s*:)")
NEIGHBOUR = re.compile(r"[\s,;]*(?=[{]\s*\")")
"""What may stand between one object and the next: such neighbours are taken without a search for a start."""
REOPEN_ARRAY = re.compile(r"\s*[}\]][\s}\]]*,\s*[{\[\"\d]")


class Candidate(msgspec.Struct, kw_only=True):
    """One value read from the text, with what its reading took."""

    start: Start
    end: int
    value: Any
    log: Log
    is_open: bool
    path: str | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How to scan: names that are known keys, the depth bound, what becomes of NaN and the infinities, the kind of page."""

    names: frozenset[str] = frozenset()
    max_depth: int = 512
    non_finite: NonFinite = "float"
    page: type[Page] = Page


def repair(
    text: str,
    *,
    schema: Mapping[str, Any] | None = None,
    fields: Iterable[str] | None = None,
    max_depth: int = 512,
    non_finite: NonFinite = "float",
) -> Parsed:
    """The outcome of a text that is no JSON; the arguments are those of `parse`."""
    wanted = tuple(fields) if fields is not None else None
    declared = property_names(schema) if schema is not None else frozenset[str]()
    settings = Settings(names=declared | frozenset(wanted or ()), max_depth=max_depth, non_finite=non_finite)
    try:
        found = candidates(text, settings)
    except TooDeep:
        return Parsed(status=Status.FAILED, errors=(too_deep(max_depth),))
    chosen = choose(found, declared)
    if wanted is None:
        return _settle(text, chosen, non_finite)
    return _with_fields(text, wanted, chosen, non_finite)


def candidates(text: str, settings: Settings) -> list[Candidate]:
    """Every value that stands in the text, in order."""
    begin = thought_end(text)
    found = _scan_all(text, begin, settings)
    if not found and begin:
        found = _scan_all(text, 0, settings)
    return found


def _scan_all(text: str, at: int, settings: Settings) -> list[Candidate]:
    found: list[Candidate] = []
    page = settings.page(text)
    healthy = Log()
    while (start := next_start(text, at)) is not None:
        if page.effort < 0:
            found.extend(_read_rest(page, start, settings))
            break
        page.effort -= 4
        candidate = scan_one(page, start, settings)
        at = max(candidate.end, start.at + 1)
        found.append(candidate)
        while (near := NEIGHBOUR.match(text, at)) is not None:
            whole = page.decode(near.end())
            if whole is None:
                break
            beside = Start(at=near.end(), rank=2, method="bare")
            found.append(Candidate(start=beside, end=whole[1], value=whole[0], log=healthy, is_open=False))
            at = whole[1]
    return found


def _read_rest(page: Page, start: Start, settings: Settings) -> list[Candidate]:
    """The candidates from `start` on, by the plain reading."""
    log = Log()
    scan = Scan(page, start.at, log, max_depth=settings.max_depth)
    starts = read_plainly(scan, is_whole=True)
    log.is_cut = scan.is_open
    return [
        Candidate(
            start=Start(at=at, rank=start.rank, method=start.method), end=scan.end, value=value, log=log, is_open=False
        )
        for at, value in zip(starts, scan.boxes[0], strict=True)
    ]


def scan_one(page: Page, start: Start, settings: Settings) -> Candidate:
    """The value that begins at `start`."""
    log = Log()
    source, begin = page, start.at
    text = page.text
    if ESCAPED.match(text, begin):
        source, begin = Page(ESCAPED_CHAR.sub(r"\1", text[start.at :])), 0
        log.add("escaped_document", start.at)
    scan = Scan(source, begin, log, names=settings.names, max_depth=settings.max_depth, non_finite=settings.non_finite)
    read_value(scan, None)
    if scan.is_open:
        run(scan)
    _reopen(scan)
    end = scan.pos if source is page else len(text)
    value = scan.boxes[0][0] if scan.boxes[0] else None
    is_open = scan.is_open or log.is_cut
    if is_open and scan.pos < scan.end and scan.text.startswith("```", scan.pos):
        log.add("missing_close", scan.pos)
        is_open = log.is_cut
    path = scan.path() if scan.is_open else None
    return Candidate(start=start, end=end, value=value, log=log, is_open=is_open, path=path)


def _reopen(scan: Scan) -> None:
    """Go on with a root that a stray bracket closed: its members or items continue behind the bracket."""
    while not scan.is_open and scan.boxes[0]:
        root = scan.boxes[0][0]
        pattern = REOPEN_OBJECT if isinstance(root, dict) else REOPEN_ARRAY if isinstance(root, list) else None
        more = pattern.match(scan.text, scan.pos) if pattern is not None else None
        if more is None:
            return
        scan.log.add("extra_close", scan.pos - 1)
        scan.pos = scan.text.index(",", scan.pos) + 1
        scan.boxes.append(root)
        scan.kinds.append(OBJECT if isinstance(root, dict) else ARRAY)
        scan.keys.append(None)
        run(scan)


def choose(found: list[Candidate], names: frozenset[str]) -> list[Candidate]:
    """The candidates that make up the answer: those of the best rank, without empties beside full ones."""
    found = [one for one in found if not (one.value in ({}, []) and one.log.lost)]
    if not found:
        return []
    rank = max(one.start.rank for one in found)
    best = [one for one in found if one.start.rank == rank]
    if rank == 1:
        best = best if all(one.value == {} for one in best) else best[:1]
    if names and len(best) > 1:
        overlap = [len(names & one.value.keys()) if isinstance(one.value, dict) else 0 for one in best]
        if max(overlap) and overlap.count(max(overlap)) == 1:
            return [best[overlap.index(max(overlap))]]
    full = [one for one in best if one.value not in ({}, [])]
    return full or best


def _settle(text: str, chosen: list[Candidate], non_finite: NonFinite) -> Parsed:
    if not chosen or (chosen[0].start.rank == 1 and not _is_whole(text, chosen)):
        lone = read_lone(text, non_finite)
        return lone if lone is not None else _failed(text)
    log = Log()
    for one in chosen:
        log.extend(one.log)
    first = chosen[0]
    method = first.start.method
    if len(chosen) > 1:
        log.add("multiple_values", first.start.at, f"{len(chosen)} values")
    if method == "fence":
        log.add("fence", first.start.at)
    elif text[: first.start.at].strip("\ufeff \t\r\n") or text[chosen[-1].end :].strip():
        log.add("prose", first.start.at)
    elif text.startswith("\ufeff"):
        log.add("byte_order_mark", 0)
    elif not log.count:
        log.add("white_space", first.start.at)
    last = chosen[-1]
    status = Status.PARTIAL if last.is_open else Status.RECOVERED
    if last.is_open:
        log.add("truncated", last.end, last.path or "")
    value = first.value if len(chosen) == 1 else [one.value for one in chosen]
    return _report(status, value, method, log, open_path=last.path)


def _is_whole(text: str, found: list[Candidate]) -> bool:
    """True if no words stand around weak candidates, comments apart."""
    around = text[: found[0].start.at] + " " + text[found[-1].end :]
    return LETTER.search(REMARK.sub("", around)) is None


def _report(status: Status, value: Any, method: str, log: Log, *, open_path: str | None = None) -> Parsed:
    return Parsed(
        status=status,
        value=value,
        method=method,
        repairs=tuple(log.kept),
        repair_count=log.count,
        warnings=tuple(log.warnings),
        open_path=open_path,
    )


def _failed(text: str) -> Parsed:
    message = "the text is empty" if not text.strip() else "no JSON value stands in the text"
    return Parsed(
        status=Status.FAILED,
        errors=(Fault(message=message, remedy="ask the model for JSON only, or pass a schema or fields", offset=0),),
    )


def _with_fields(text: str, fields: tuple[str, ...], chosen: list[Candidate], non_finite: NonFinite) -> Parsed:
    """The whole document if it has every field; else the fields that can be saved, PARTIAL."""
    value = chosen[0].value if len(chosen) == 1 else None
    if isinstance(value, dict) and all(name in value for name in fields):
        return _settle(text, chosen, non_finite)
    saved, log = salvage(text, fields)
    if isinstance(value, dict):
        saved = {**saved, **{name: value[name] for name in fields if name in value}}
    if not saved:
        return _failed(text)
    missing = [name for name in fields if name not in saved]
    fault = [
        Fault(message=f"field {name!r} not found", remedy="ask again for it", path=f"$.{name}") for name in missing
    ]
    report = _report(Status.PARTIAL, saved, "salvage", log)
    return msgspec.structs.replace(report, errors=tuple(fault))
