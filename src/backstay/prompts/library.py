"""PromptLibrary: templates from folders and from code, by name and version; a later folder wins over an earlier one.

A file's front matter says its name and version; the file is called `NAME.md`, or `NAME@VERSION.md` where several versions are
kept. Without a version the newest of the last folder that has the name is meant, so that an upgrade of the package never takes
the place of a prompt of your own. Versions are compared by numbers where they are numbers ("1.10" is after "1.9"), and a
version with a word after it ("2.0-draft") comes before the one without.
"""

from __future__ import annotations

import difflib
import importlib.resources
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import msgspec

from backstay.errors import ConfigurationError
from backstay.ports import SystemRandom
from backstay.prompts.rendered import Rendered
from backstay.prompts.template import Template
from backstay.types import user

FRONT: Final = re.compile(r"---\r?\n(.*?)\r?\n---[ \t]*\r?\n(.*)", re.DOTALL)
PART: Final = re.compile(r"^# (System|User)[ \t]*$", re.MULTILINE)
HEADER: Final = ("name", "version", "description", "variables", "schema", "tier", "engine")
NONCE_DIGITS: Final = 12


class Draws(Protocol):
    """Draws a float in [0, 1): the `rng` of a World."""

    def random(self) -> float: ...


class File(Protocol):
    """A file of a folder or of an installed package."""

    @property
    def name(self) -> str: ...
    def read_text(self, encoding: str) -> str: ...


class Kept(NamedTuple):
    """A template on the shelf; `layer` counts the folders that came before its own."""

    layer: int
    template: Template


Shelf: TypeAlias = dict[str, dict[str, Kept]]


class PromptLibrary:
    """Templates by name. `folders`, in order; `templates`, made in code, win over files. `rng` draws the nonces of renderings.

    Raises ConfigurationError with the faults of all files at once.
    """

    def __init__(
        self,
        *folders: str | Path,
        templates: Iterable[Template] = (),
        rng: Draws | None = None,
        with_shipped: bool = True,
    ) -> None:
        self._rng = rng or SystemRandom()
        self._shelf: Shelf = {}
        faults: list[str] = []
        if with_shipped:
            _load(_shipped_files(), self._shelf, faults, layer=0)
        for layer, folder in enumerate(folders, 1):
            path = Path(folder)
            if not path.is_dir():
                faults.append(f"{path}: is no folder")
                continue
            _load(prompt_files(path), self._shelf, faults, layer=layer)
        if faults:
            raise ConfigurationError(*faults)
        self._in_code = len(folders) + 1
        for template in templates:
            self.add(template)

    def add(self, template: Template) -> None:
        """Put a template on the shelf, over one of the same name and version."""
        self._shelf.setdefault(template.name, {})[template.version] = Kept(self._in_code, template)

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._shelf)

    def versions(self, name: str) -> list[str]:
        """The versions of `name`, oldest first."""
        return sorted(self._versions(name), key=_order)

    def get(self, name: str, version: str | None = None) -> Template:
        """The template; without a version the newest of the last folder with that name. Raises ConfigurationError."""
        versions = self._versions(name)
        if version is None:
            return versions[max(versions, key=lambda one: (versions[one].layer, _order(one)))].template
        if version not in versions:
            raise ConfigurationError(
                f"prompt {name}: no version {version!r}; there is {', '.join(self.versions(name))}"
            )
        return versions[version].template

    def _versions(self, name: str) -> dict[str, Kept]:
        if name not in self._shelf:
            near = difflib.get_close_matches(name, self._shelf, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there is: {', '.join(self.names())}"
            raise ConfigurationError(f"no prompt {name!r}: {hint}")
        return self._shelf[name]

    def render(self, name: str, version: str | None = None, /, **variables: Any) -> Rendered:
        """The prompt with its variables filled in. Raises ConfigurationError naming every missing, unknown and unfit one."""
        template = self.get(name, version)
        nonce = "".join("0123456789abcdef"[int(self._rng.random() * 16)] for _ in range(NONCE_DIGITS))
        system, asked = template.render(variables, nonce=nonce)
        return Rendered(
            name=template.name,
            version=template.version,
            hash=template.hash,
            nonce=nonce,
            system=system or None,
            messages=(user(asked),),
            schema=template.schema,
            tier=template.tier,
        )

    def validate(self, required: Mapping[str, Iterable[str]]) -> list[str]:
        """What is wanting: a sentence for each prompt in `required` (name to variables) that is absent or lacks a variable."""
        faults = []
        for name, variables in sorted(required.items()):
            if name not in self._shelf:
                faults.append(f"prompt {name}: is missing")
                continue
            declared = self.get(name).variables
            faults += [f"prompt {name}: has no variable {one}" for one in sorted(set(variables) - declared.keys())]
        return faults

    def faults(self) -> list[str]:
        """What is wrong with the prompts that can be read: a sentence for each schema that is no JSON Schema."""
        faults = []
        for name in self.names():
            for version in self.versions(name):
                schema = self.get(name, version).schema
                if schema is not None and (fault := _schema_fault(schema)):
                    faults.append(f"prompt {name} {version}: schema: {fault}")
        return faults

    def diff(self, name: str, old: str, new: str) -> str:
        """The change from version `old` to `new`, as a unified diff of their parts; empty where nothing changed."""
        before, after = (_written(self.get(name, version)) for version in (old, new))
        lines = difflib.unified_diff(before, after, f"{name} {old}", f"{name} {new}", lineterm="", n=2)
        return "\n".join(lines)


def shipped(rng: Draws | None = None) -> PromptLibrary:
    """The library of the prompts that come with the package."""
    return PromptLibrary(rng=rng)


def _shipped_files() -> Iterator[File]:
    folder = importlib.resources.files("backstay.prompts") / "shipped"
    yield from sorted((one for one in folder.iterdir() if one.name.endswith(".md")), key=lambda one: one.name)


def prompt_files(folder: str | Path) -> list[Path]:
    """The files of `folder` that hold prompts, by name. Raises ConfigurationError where it cannot be listed."""
    try:
        found = sorted(one for one in Path(folder).iterdir() if one.suffix == ".md" and one.name.lower() != "readme.md")
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be read ({error.strerror})") from error
    return found


def _load(files: Iterable[File], shelf: Shelf, faults: list[str], *, layer: int) -> None:
    seen: dict[tuple[str, str], str] = {}
    for file in files:
        try:
            template = read_template(file.read_text(encoding="utf-8"), source=file.name)
        except ConfigurationError as error:
            faults += error.faults
        except UnicodeDecodeError as error:
            faults.append(f"prompt file {file.name}: is not UTF-8: {error}")
        except OSError as error:
            faults.append(f"prompt file {file.name}: cannot be read ({error.strerror})")
        else:
            name, version = template.name, template.version
            if (first := seen.setdefault((name, version), file.name)) != file.name:
                faults.append(f"prompt file {file.name}: {first} is {name}, version {version}, already")
            shelf.setdefault(name, {})[version] = Kept(layer, template)


def read_template(text: str, *, source: str = "text") -> Template:
    """The Template written in `text`. Raises ConfigurationError that names the file and each fault."""
    found = FRONT.match(text)
    if found is None:
        raise ConfigurationError(f"prompt file {source}: begins with no front matter between two lines of ---")
    header = _header(found[1], source)
    parts = PART.split(found[2])
    if parts[0].strip():
        raise ConfigurationError(f"prompt file {source}: text before the first heading; use # System and # User")
    bodies = {parts[at].lower(): parts[at + 1].strip() for at in range(1, len(parts), 2)}
    if len(bodies) * 2 + 1 != len(parts):
        raise ConfigurationError(f"prompt file {source}: a heading # System or # User stands twice")
    facts = {name: value for name, value in header.items() if value is not None}
    facts |= {"version": str(header.get("version", "1")), "source": source}
    facts |= {"system": bodies.get("system", ""), "user": bodies.get("user", "")}
    try:
        return msgspec.convert(facts, Template)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"prompt file {source}: {error}") from error


def _header(text: str, source: str) -> dict[str, Any]:
    import yaml_rs

    try:
        header = yaml_rs.loads(text)
    except yaml_rs.YAMLDecodeError as error:
        raise ConfigurationError(f"prompt file {source}: the front matter is no YAML: {error}") from error
    if not isinstance(header, dict) or "name" not in header:
        raise ConfigurationError(f"prompt file {source}: the front matter needs a name")
    if unknown := sorted(header.keys() - set(HEADER)):
        raise ConfigurationError(f"prompt file {source}: unknown {', '.join(unknown)}; there is {', '.join(HEADER)}")
    if isinstance(header.get("schema"), str):
        header["schema"] = _schema(header["schema"], source)
    return header


def _schema(text: str, source: str) -> dict[str, Any]:
    """A schema written as JSON inside the front matter."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"prompt file {source}: the schema is no JSON object: {error}") from error


def _schema_fault(schema: dict[str, Any]) -> str:
    """Why `schema` is no JSON Schema (of the draft it names, else 2020-12); empty where it is one."""
    from backstay.recover.validator import make_validator

    try:
        make_validator(schema)
    except ValueError as error:
        return str(error)
    return ""


def _order(version: str) -> tuple[tuple[int, int, str], ...]:
    """A key to sort by: a number is above the end of the version, the end above a word ("1.0-draft", "1.0", "1.0.1")."""
    parts = re.split(r"[.\-_+]", version)
    return (*((2, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts), (1, 0, ""))


def _written(template: Template) -> list[str]:
    schema = msgspec.json.format(msgspec.json.encode(template.schema, order="sorted"), indent=2).decode()
    declared = [
        f"{name}: {one.kind}{'' if one.is_required else f' = {one.default!r}'}"
        for name, one in template.variables.items()
    ]
    parts = [*declared, "# System", *template.system.splitlines(), "# User", *template.user.splitlines()]
    return parts if template.schema is None else [*parts, "# Schema", *schema.splitlines()]
