"""How often a model is right on the same documents as the offline rules, field by field.

Each document goes through `Client.extract` by its built-in schema, as any caller's would: structured output, evidence,
confidence. Three things are counted for each field: how often the value is right, how often the document states it
(grounded), and how often it is right where its confidence is at least 0.9 (accepted). The rules are scored on the very same
documents. Every label can be written to a CSV file that `backstay calibrate` reads.
"""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TextIO

from backstay import Client
from backstay.config import load
from backstay.errors import LLMError
from backstay.extract.calibrate.history import SIGNALS
from backstay.extract.extraction import Extraction, Field
from backstay.extract.schema import built_in, kind_of

TRUSTED = 0.9
RULES = "offline:rules"
COLUMNS = ("document", "field", "task", "kind", "confidence", "correct", "grounded_in_text", *SIGNALS)


class Asking(NamedTuple):
    """How the documents are asked about; `logprobs` adds a signal where the provider gives it."""

    model: str
    limit: int
    temperature: float | None = None
    max_output_tokens: int | None = 1500
    logprobs: bool = False
    timeout: float = 900.0


class Scored(NamedTuple):
    """One field of one document: what was said of it and whether that is right."""

    document: str
    name: str
    path: str
    field: Field
    is_right: bool


class Line(NamedTuple):
    """One row of the table: the rules' right answers of `total`, and the model's, in all, grounded, accepted."""

    name: str
    total: int
    rules_right: int
    right: int
    grounded: int
    accepted: int
    accepted_right: int


def spread(cases: Sequence[Any], limit: int) -> list[Any]:
    """At most `limit` of the cases, evenly over all of them."""
    count = min(limit, len(cases))
    return [cases[number * len(cases) // count] for number in range(count)]


async def scored(section: ModuleType, corpus: Path, asking: Asking, tell: TextIO = sys.stderr) -> AsyncIterator[Scored]:
    """The scored fields of each document, as they are answered. A document whose call fails scores nothing right."""
    settings: dict[str, Any] = {"max_output_tokens": asking.max_output_tokens, "timeout": asking.timeout}
    if asking.temperature is not None:
        settings["temperature"] = asking.temperature
    if asking.logprobs:
        settings["logprobs"] = 1
    async with Client(loaded=load(arguments={"model": asking.model, "ledger.mode": "off"})) as client:
        for given, truth in spread(section.cases(corpus), asking.limit):
            try:
                found: Extraction | None = await client.extract(section.SCHEMA, given["text"], **settings)
            except LLMError as error:
                print(f"{given['id']}: {type(error).__name__}: {error}", file=tell)
                found = None
            for name, path, is_right in section.checks(given, truth):
                field = _field(found, path)
                yield Scored(given["id"], name, path, field, bool(is_right(field.value)))


def _field(found: Extraction | None, path: str) -> Field:
    return (
        Field(value=None, confidence=0.0)
        if found is None
        else found.fields.get(path, Field(value=None, confidence=0.0))
    )


def lines(names: Sequence[str], rules: Sequence[Scored], model: Sequence[Scored]) -> list[Line]:
    """A row for each field that was scored, and one for all."""

    def line(name: str, is_meant: Callable[[Scored], bool]) -> Line:
        said = [one for one in model if is_meant(one)]
        accepted = [one for one in said if one.field.confidence >= TRUSTED]
        return Line(
            name=name,
            total=len(said),
            rules_right=sum(one.is_right for one in rules if is_meant(one)),
            right=sum(one.is_right for one in said),
            grounded=sum(one.field.grounded for one in said),
            accepted=len(accepted),
            accepted_right=sum(one.is_right for one in accepted),
        )

    rows = [line(name, lambda one, name=name: one.name == name) for name in names]  # type: ignore[misc]
    return [row for row in rows if row.total] + [line("all", lambda _: True)]


async def table(section: ModuleType, corpus: Path, asking: Asking, labels: TextIO | None = None) -> list[Line]:
    """The rows of one section; each answer is written to `labels` when it is there."""
    schema = built_in(section.SCHEMA).schema
    writer = csv.writer(labels) if labels is not None else None
    model: list[Scored] = []
    async for one in scored(section, corpus, asking):
        model.append(one)
        if writer is not None and labels is not None:
            writer.writerow(_label(one, section.SCHEMA, kind_of(one.path, schema)))
            labels.flush()
    rules = [one async for one in scored(section, corpus, Asking(model=RULES, limit=asking.limit))]
    return lines(list(dict.fromkeys(one.name for one in model)), rules, model)


def _label(one: Scored, task: str, kind: str) -> tuple[Any, ...]:
    field = one.field
    signals = (field.signals.get(name, "") for name in SIGNALS)
    return (
        one.document,
        one.name,
        task,
        kind,
        f"{field.confidence:.4f}",
        int(one.is_right),
        int(field.grounded),
        *signals,
    )


def show(name: str, rows: Sequence[Line], model: str, out: TextIO = sys.stdout) -> None:
    """Print one section."""
    print(f"\n{name}: {model} beside the rules, the same documents", file=out)
    heading = ("of", "rules", "model", "grounded", "accepted", "right of these")
    print(f"  {'':<16}" + "".join(f"{title:>15}" for title in heading), file=out)
    for row in rows:
        shares = [_share(part, row.total) for part in (row.rules_right, row.right, row.grounded, row.accepted)]
        cells = (str(row.total), *shares, _share(row.accepted_right, row.accepted))
        print(f"  {row.name:<16}" + "".join(f"{cell:>15}" for cell in cells), file=out)


def _share(part: int, whole: int) -> str:
    return f"{part} ({part / whole:.0%})" if whole else "-"


def run(sections: Sequence[tuple[str, ModuleType]], corpus: Path, asking: Asking, labels: Path | None) -> None:
    """Ask about every section and print its table."""
    file = labels.open("w", encoding="utf-8", newline="") if labels is not None else None
    try:
        if file is not None:
            csv.writer(file).writerow(COLUMNS)
        for name, section in sections:
            show(name, asyncio.run(table(section, corpus, asking, file)), asking.model)
    finally:
        if file is not None:
            file.close()
