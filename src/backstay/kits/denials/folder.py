"""Folder: a worked case as files.

    case_facts.json  route.json  action_plan.json  action_plan.md  situation_summary.md
    plan_rules.json  grounding.json  case.html
    documents/NAME.md .docx .pdf

A document that was blocked is not there; `grounding.json` says which, and why. `case.json` knows the letter and what was
written, by digest. So another letter gets another folder (`case_folder`); files of an earlier run over this letter are replaced,
or removed where this run makes none, so that no old letter lies among new ones; and what a person changed since is kept beside
as `.bak`.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from backstay.document.document import Document
from backstay.kits.denials.fact import Facts
from backstay.kits.denials.markdown import paper_to_markdown, plan_to_markdown
from backstay.kits.denials.page import case_page
from backstay.kits.denials.paper import Paper
from backstay.kits.denials.workflow import Pack

FORMATS: Final = ("md", "docx", "pdf")
RECORD: Final = "case.json"
KEPT: Final = ".bak"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in `case.json`: the letter's name and the SHA-256 of its text, and that of every file that was written."""

    letter: str
    letter_sha256: str
    files: dict[str, str]


def case_folder(out: Path, name: str, letter: Document, *, taken: Collection[Path] = ()) -> Path:
    """The folder in `out` of this letter's case: the one that has it already, else the first of `name`, `name-2`, ... that is
    free. One with a case of another letter, with something else in it, or in `taken` is not. Raises OSError."""
    for number in itertools.count(1):
        folder = out / (name if number == 1 else f"{name}-{number}")
        if folder in taken:
            continue
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return folder
        record = read_record(folder)
        if record is not None and record.letter_sha256 == _digest(letter.text.encode()):
            return folder
    raise AssertionError("the numbers came to an end")


def read_record(folder: Path) -> Record | None:
    """What `case.json` says; None where there is none, or it is not ours. Raises OSError."""
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except msgspec.MsgspecError:  # another program's file of that name: the folder is not ours
        return None


def write_pack(
    pack: Pack, letter: Document, folder: Path, *, read_at: str = "", formats: Iterable[str] = FORMATS
) -> list[Path]:
    """Write all files of a case into `folder`; their paths, and those of changed files that were kept (ending in `KEPT`).

    `read_at` is the time of reading, ISO. Nothing is touched before all is rendered. Raises OSError.
    """
    files = {name: text.encode() for name, text in _texts(pack, letter, read_at).items()}
    for paper in pack.papers:
        files |= {f"documents/{paper.name}.{suffix}": render(paper, suffix) for suffix in formats}
    (folder / "documents").mkdir(parents=True, exist_ok=True)
    earlier = read_record(folder)
    kept = _clear(folder, earlier.files if earlier else {}, files)
    record = Record(
        letter=letter.source,
        letter_sha256=_digest(letter.text.encode()),
        files={name: _digest(content) for name, content in files.items()},
    )
    first = _write(
        folder / RECORD, _json(record).encode()
    )  # a run that is cut off leaves a folder that knows its letter
    return [first, *(_write(folder / name, content) for name, content in files.items()), *kept]


def _texts(pack: Pack, letter: Document, read_at: str) -> dict[str, str]:
    """The files beside the documents, by name."""
    texts = {
        "case_facts.json": _json(facts_record(pack.facts, letter, read_at)),
        "route.json": _json(pack.route),
        "action_plan.json": _json(pack.plan),
        "action_plan.md": plan_to_markdown(pack.plan),
        "situation_summary.md": pack.summary + "\n",
        "grounding.json": _json(grounding_record(pack)),
        "case.html": case_page(pack, letter),
    }
    return texts | ({"plan_rules.json": _json({"rules": pack.rules})} if pack.rules else {})


def _clear(folder: Path, earlier: Mapping[str, str], coming: Mapping[str, bytes]) -> list[Path]:
    """Take the files of the earlier run away; one that a person made or changed and that stands in the way of this run, or
    was the earlier run's, is renamed instead, and its new path is given."""
    kept = []
    for name, digest in {**dict.fromkeys(coming, ""), **earlier}.items():
        path = folder / name
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            continue
        content = path.read_bytes()
        if _digest(content) == digest:
            path.unlink()
        elif content != coming.get(name):
            kept.append(path.rename(_free(path)))
    return kept


def _free(path: Path) -> Path:
    """A name beside `path` that nothing has."""
    names = (path.with_name(f"{path.name}{KEPT if one == 1 else f'.{one}{KEPT}'}") for one in itertools.count(1))
    return next(one for one in names if not one.exists())


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


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
