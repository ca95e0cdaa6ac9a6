"""PromptLibrary: templates from folders and from code, by name and version; a later folder wins over an earlier one.

A file is `NAME.md`, or `NAME@VERSION.md` where several versions are kept; its front matter says the same name. Without a version
the newest is meant, by numbers where versions are numbers ("1.10" is after "1.9").
"""

from __future__ import annotations

import difflib
import importlib.resources
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from backstay.errors import ConfigurationError
from backstay.ports import SystemRandom
from backstay.prompts.rendered import Rendered
from backstay.prompts.template import Template, Variable
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


Shelf: TypeAlias = dict[str, dict[str, Template]]


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
            _load(_shipped_files(), self._shelf, faults)
        for folder in folders:
            path = Path(folder)
            if not path.is_dir():
                faults.append(f"{path}: is no folder")
                continue
            _load(sorted(path.glob("*.md")), self._shelf, faults)
        if faults:
            raise ConfigurationError(*faults)
        for template in templates:
            self.add(template)

    def add(self, template: Template) -> None:
        """Put a template on the shelf, over one of the same name and version."""
        self._shelf.setdefault(template.name, {})[template.version] = template

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._shelf)

    def versions(self, name: str) -> list[str]:
        """The versions of `name`, oldest first."""
        return sorted(self._versions(name), key=_order)

    def get(self, name: str, version: str | None = None) -> Template:
        """The template; the newest version without one. Raises ConfigurationError with near names."""
        versions = self._versions(name)
        if version is None:
            return versions[max(versions, key=_order)]
        if version not in versions:
            raise ConfigurationError(
                f"prompt {name}: no version {version!r}; there is {', '.join(self.versions(name))}"
            )
        return versions[version]

    def _versions(self, name: str) -> dict[str, Template]:
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


def _load(files: Iterable[File], shelf: Shelf, faults: list[str]) -> None:
    for file in files:
        try:
            template = read_template(file.read_text(encoding="utf-8"), source=file.name)
        except ConfigurationError as error:
            faults += error.faults
        except UnicodeDecodeError as error:
            faults.append(f"prompt file {file.name}: is not UTF-8: {error}")
        else:
            shelf.setdefault(template.name, {})[template.version] = template


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
    try:
        variables = msgspec.convert(header.pop("variables", None) or {}, dict[str, Variable])
        facts = msgspec.convert(header, dict[str, Any]) | {"variables": variables, "source": source}
        facts["version"] = str(facts.get("version", "1"))
        return Template(**facts, system=bodies.get("system", ""), user=bodies.get("user", ""))
    except (msgspec.ValidationError, TypeError) as error:
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


def _order(version: str) -> tuple[tuple[int, int, str], ...]:
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"[.\-_]", version))


def _written(template: Template) -> list[str]:
    schema = msgspec.json.format(msgspec.json.encode(template.schema, order="sorted"), indent=2).decode()
    declared = [
        f"{name}: {one.kind}{'' if one.is_required else f' = {one.default!r}'}"
        for name, one in template.variables.items()
    ]
    parts = [*declared, "# System", *template.system.splitlines(), "# User", *template.user.splitlines()]
    return parts if template.schema is None else [*parts, "# Schema", *schema.splitlines()]
