"""Shelf: layouts made from files: labelled documents of one vendor, or templates of regular expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from backstay.document.read import expand, read_document
from backstay.errors import ConfigurationError
from backstay.kits.invoices.layout import load_layouts
from backstay.kits.invoices.learn import learn, read_labels
from backstay.kits.invoices.template import Imported, read_template

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def learn_layout(name: str, paths: Sequence[str | Path], labels: str | Path, folder: str | Path) -> Imported:
    """The layout `name` from the documents in `paths`, whose right values stand in the file `labels`, with a note for what of
    them it could not find a place for.

    The examples of other layouts in `folder` are documents of other vendors, by which shared lines are told from its own.
    Raises ConfigurationError for a document without a label, and as `learn` does.
    """
    _check_name(name)
    right = read_labels(labels)
    sources = list(expand(paths))
    if lost := [source.name for source in sources if source.name not in right]:
        raise ConfigurationError(*(f"labels {labels}: has no values of {one}" for one in lost))
    examples = [(read_document(source).text, right[source.name]) for source in sources]
    known = load_layouts(folder) if Path(folder).is_dir() else []
    others = [one.text for layout in known if layout.name != name for one in layout.examples]
    layout = learn(name, examples, others=others)
    hinted = {hint.name for hint in layout.fields}
    always = [field for field in examples[0][1] if field != "lines" and all(data.get(field) for _, data in examples)]
    notes = [
        f"{field}: no label leads to it in all of them, so it is left to the rules or the model" for field in always
    ]
    return Imported(layout, tuple(note for field, note in zip(always, notes, strict=True) if field not in hinted))


def import_layouts(paths: Sequence[str | Path]) -> list[Imported]:
    """The layouts of template files (YAML), or of all in a folder, named as their files. Raises ConfigurationError with the
    faults of all."""
    files: list[Path] = []
    for path in map(Path, paths):
        files += sorted(one for one in path.rglob("*") if one.suffix in (".yml", ".yaml")) if path.is_dir() else [path]
    found: list[Imported] = []
    faults: list[str] = []
    for file in files:
        try:
            _check_name(file.stem)
            found.append(read_template(file.read_text(encoding="utf-8"), file.stem))
        except ConfigurationError as error:
            faults += [f"{file}: {fault}" for fault in error.faults]
        except (OSError, UnicodeDecodeError) as error:
            faults.append(f"{file}: cannot be read: {error}")
    if not files:
        faults.append(f"no template (.yml, .yaml) in {', '.join(map(str, paths))}")
    if faults:
        raise ConfigurationError(*faults)
    return found


def _check_name(name: str) -> None:
    """A layout's name is that of its file."""
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"layout {name!r}: letters, figures, '.', '_' and '-', as it is the name of a file too"
        )
