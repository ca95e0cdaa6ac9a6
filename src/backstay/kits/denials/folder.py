"""Folder: a worked case as files.

    case_facts.json  route.json  action_plan.json  action_plan.md  situation_summary.md
    plan_rules.json  grounding.json  case.html
    documents/NAME.md .docx .pdf

A document that was blocked is not there; `grounding.json` says which, and why. Files of an earlier run are replaced, and a
document that this run does not make is removed, so that no old letter lies among new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from backstay.document.document import Document
from backstay.kits.denials.body import BODIES
from backstay.kits.denials.fact import Facts
from backstay.kits.denials.markdown import paper_to_markdown, plan_to_markdown
from backstay.kits.denials.page import case_page
from backstay.kits.denials.paper import Paper
from backstay.kits.denials.workflow import Pack

FORMATS: Final = ("md", "docx", "pdf")


def write_pack(
    pack: Pack, letter: Document, folder: Path, *, read_at: str = "", formats: Iterable[str] = FORMATS
) -> list[Path]:
    """Write all files of a case into `folder`; their paths. `read_at` is the time of reading, ISO."""
    documents = folder / "documents"
    documents.mkdir(parents=True, exist_ok=True)
    for old in (documents / f"{name}.{suffix}" for name in BODIES for suffix in FORMATS):
        old.unlink(missing_ok=True)
    texts = {
        "case_facts.json": _json(facts_record(pack.facts, letter, read_at)),
        "route.json": _json(pack.route),
        "action_plan.json": _json(pack.plan),
        "action_plan.md": plan_to_markdown(pack.plan),
        "situation_summary.md": pack.summary + "\n",
        "grounding.json": _json(grounding_record(pack)),
        "case.html": case_page(pack, letter),
    }
    if pack.rules:
        texts["plan_rules.json"] = _json({"rules": pack.rules})
    written = [_write(folder / name, text.encode()) for name, text in texts.items()]
    for paper in pack.papers:
        written += [_write(documents / f"{paper.name}.{suffix}", render(paper, suffix)) for suffix in formats]
    return written


def render(paper: Paper, suffix: str) -> bytes:
    """A paper in one format. Raises ConfigurationError where the format's library is not installed."""
    from backstay.kits.denials.typeset import paper_to_pdf
    from backstay.kits.denials.word import paper_to_docx

    writers: dict[str, Callable[[Paper], bytes]] = {
        "md": lambda one: paper_to_markdown(one).encode(),
        "docx": paper_to_docx,
        "pdf": paper_to_pdf,
    }
    return writers[suffix](paper)


def facts_record(facts: Facts, letter: Document, read_at: str) -> dict[str, Any]:
    """CaseFacts as JSON data: the nested values, and beside them the evidence of each."""
    about = {"source_document": letter.source, "extraction_timestamp": read_at or None}
    reader = {"read_by": facts.read_by, "degraded": facts.is_degraded, "warnings": list(facts.warnings)}
    return {**facts.data(), **about, **reader, "fields": msgspec.to_builtins(facts.facts)}


def grounding_record(pack: Pack) -> dict[str, Any]:
    """Which texts were checked, by whom they were written, and what was blocked."""
    return {
        "checked": [
            {"document": one.document, "items": one.checked, "written_by": pack.writers.get(one.document, "rules")}
            for one in pack.verdicts
        ],
        "reviewed_by": pack.reviewed_by,
        "blocked": msgspec.to_builtins(pack.blocked),
        "ungrounded_items_in_documents": sum(len(one.ungrounded) for one in pack.verdicts),
        "notes": list(pack.notes),
        "needs_person": list(pack.needs_person),
    }


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
