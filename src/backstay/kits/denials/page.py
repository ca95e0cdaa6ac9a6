"""Page: the case on one HTML page: what was read and where, the route, the dates, and what was blocked."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Final

from backstay.document.document import Document
from backstay.kits.denials.deadline import days_left
from backstay.kits.denials.fact import Fact, Facts
from backstay.kits.denials.route import NAMES
from backstay.kits.denials.workflow import Pack

_STYLE: Final = """\
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --mark: #ffe9a8; --bad: #b00020; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 74rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .3rem .8rem .3rem 0; }
td, th { vertical-align: top; }
tr { border-bottom: 1px solid var(--line); } td.sure { text-align: right; font-variant-numeric: tabular-nums; }
.letter { white-space: pre-wrap; font: 13px/1.5 ui-monospace, monospace; background: var(--soft); padding: 1rem; }
mark { background: var(--mark); color: #111; border-radius: .2rem; } .bad { color: var(--bad); font-weight: 600; }
.soft { opacity: .7; } .big { font-size: 1.15rem; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8090; --mark: #ffd86b; } }
"""
SURE: Final = 0.8


def case_page(pack: Pack, letter: Document) -> str:
    """The page as HTML of its own, without script and without anything from elsewhere."""
    timeline = pack.plan.timeline
    way = NAMES[pack.route.route] if pack.route.route else f"no route: {pack.route.declined}"
    left = "" if timeline.days_remaining is None else f", {days_left(timeline.days_remaining)}"
    parts = [
        f"<h1>{_text(pack.facts['payer.name'] or 'Denial')}: {_text(pack.facts['service.description'] or 'denied service')}</h1>",
        (
            f'<p class="big">{_text(way)} ({pack.route.confidence:.0%} sure). Appeal deadline: '
            f"<b>{_text(timeline.appeal_deadline or 'unknown')}</b>{left}.</p>"
        ),
        f"<p class=soft>{_text(timeline.source)}. Facts read by {_text(pack.facts.read_by)}.</p>",
        *(f"<p>{_text(part)}</p>" for part in pack.summary.split("\n\n")),
        _list("A person should look at this first", pack.needs_person),
        "<h2>Facts</h2>",
        _facts(pack.facts),
        "<h2>Why this route</h2>",
        _rows(
            ("signal", "way", "weight", "evidence"),
            ((one.signal, NAMES[one.way], f"{one.weight:+.1f}", one.evidence) for one in pack.route.signals),
        ),
        _list(
            "Blocked texts",
            (
                f"{one.document}: {', '.join([*(item.text for item in one.ungrounded), *(o.statement for o in one.objections)])}"
                for one in pack.blocked
            ),
        ),
        _list("Notes", (*pack.notes, *pack.facts.warnings)),
        "<h2>The letter</h2>",
        f'<div class="letter">{_marked(letter, pack.facts)}</div>',
        _list("", pack.plan.disclaimers),
    ]
    title = f"Case {pack.facts.case_id}"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>'
        + "\n".join(part for part in parts if part)
        + "</body></html>\n"
    )


def _text(value: object) -> str:
    return html.escape(" ".join(str(value).split()))


def _list(title: str, rows: Iterable[str]) -> str:
    items = "".join(f"<li>{_text(row)}</li>" for row in rows)
    heading = f"<h2>{title}</h2>" if title else ""
    return f"{heading}<ul>{items}</ul>" if items else ""


def _rows(names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>" if body else "<p class=soft>Nothing.</p>"


def _facts(facts: Facts) -> str:
    present = [(path, fact) for path, fact in facts.facts.items() if fact.value not in (None, "", [])]
    rows = "".join(_fact_row(path, fact) for path, fact in present)
    absent = "".join(f"<tr><td>{_text(path)}</td><td>{_text(why)}</td></tr>" for path, why in facts.missing().items())
    head = "<tr><th>field</th><th>value</th><th>as printed</th><th>page</th><th>sure</th></tr>"
    return (
        f"<table>{head}{rows}</table><details><summary>Not in the documents</summary><table>{absent}</table></details>"
    )


def _fact_row(path: str, fact: Fact) -> str:
    style = "sure" if fact.confidence >= SURE else "sure bad"
    printed = (fact.reason if fact.is_withheld else fact.quote) or fact.reason or ""
    return (
        f"<tr><td>{_text(path)}</td><td>{_text(fact.value)}</td><td>{_text(printed)}</td><td>{fact.page or ''}</td>"
        f'<td class="{style}">{fact.confidence:.0%}</td></tr>'
    )


def _marked(letter: Document, facts: Facts) -> str:
    """The letter with every place that a fact was read from marked; of overlapping places the first."""
    spans = sorted(
        (fact.start, -(fact.end or 0), path)
        for path, fact in facts.facts.items()
        if fact.start is not None and fact.source == letter.source
    )
    parts, at = [], 0
    for start, negative_end, path in spans:
        if start >= at:
            parts += [html.escape(letter.text[at:start])]
            parts += [f'<mark title="{html.escape(path)}">{html.escape(letter.text[start:-negative_end])}</mark>']
            at = -negative_end
    return "".join([*parts, html.escape(letter.text[at:])])
