"""Template: a prompt with declared variables, and the only way in which a value gets into it.

The shape is Markdown with front matter between `---` lines (YAML), and one heading per part:

    ---
    name: situation_summary
    version: "1"
    description: What happened, in plain words
    variables:
      facts: {kind: json, description: the facts of the case}
      reader: {kind: text, default: the patient}
    ---
    # System
    You explain ... to {{ reader }}.
    # User
    {{ facts }}

`{{ name }}` is replaced in one pass by the value's text, so a value that holds braces is text like any other, and there is
no attribute, no index, no call and no format string that a value or a name could reach. What a variable's `kind` does:

    document  text from outside, any length: escaped, between tags with the variable's name and a nonce
    json      any JSON value: as canonical JSON, between such tags
    text      a short text inside a sentence: escaped, on one line
    number    a number, a flag  true or false
    trusted   the developer's own words, verbatim; never for what a user wrote

A template with `engine: minijinja` may have loops and conditions over the same, already escaped values; it is the developer's
text, and has fuel for 100,000 steps. What it takes out of a list or an object is written as a `text` is, and is plain data: no
object of the program is within its reach. `{{ name }}` of a `json` variable is the whole value between its tags, as ever.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from backstay.errors import ConfigurationError
from backstay.prompts.escape import enclose, escape_json, escape_line, escape_text
from backstay.prompts.tier import Tier

Kind: TypeAlias = Literal["document", "json", "text", "number", "flag", "trusted"]
Engine: TypeAlias = Literal["plain", "minijinja"]

PLACE: Final = re.compile(r"\{\{ *([a-z][a-z0-9_]*) *\}\}")
STRANGE: Final = re.compile(r"\{\{[^\n}]{0,40}(?:\}\})?|\{%[^\n%]{0,40}(?:%\})?")
"""What is left of braces once the places are taken out: a place that is none, or the start of a statement."""

NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
FUEL: Final = 100_000
BUILT_IN: Final = frozenset({"range", "dict", "namespace"})
"""Functions of the engine that a template may call."""

LONGEST_TEXT: Final = 2_000
"""Characters of a `text` value; what is longer is a document."""


class Variable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A declared variable; one without a `default` must be given."""

    kind: Kind = "document"
    description: str = ""
    default: Any = msgspec.UNSET

    @property
    def is_required(self) -> bool:
        """True when a rendering without it is an error."""
        return self.default is msgspec.UNSET


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt before its values. `system` and `user` are text with places; `source` says where it was read."""

    name: str
    version: str = "1"
    description: str = ""
    system: str = ""
    user: str
    variables: dict[str, Variable] = {}
    schema: dict[str, Any] | None = None
    tier: Tier | None = None
    engine: Engine = "plain"
    source: str = "code"

    def __post_init__(self) -> None:
        if faults := list(_faults(self)):
            raise ConfigurationError(*(f"prompt {self.name} ({self.source}): {fault}" for fault in faults))

    @property
    def hash(self) -> str:
        """16 hex digits of the SHA-256 of all that decides about a rendering."""
        facts = [self.name, self.version, self.system, self.user, self.engine, self.schema]
        declared = {name: [one.kind, None if one.is_required else one.default] for name, one in self.variables.items()}
        return hashlib.sha256(msgspec.json.encode([*facts, declared], order="sorted")).hexdigest()[:16]

    def render(self, values: Mapping[str, Any], *, nonce: str) -> tuple[str, str]:
        """System and user text with `values` in their places.

        Raises ConfigurationError that names every missing, unknown and unfit value at once.
        """
        given = {name: one.default for name, one in self.variables.items() if not one.is_required} | dict(values)
        faults = [f"{name}: is missing" for name in sorted(self.variables.keys() - given.keys())]
        known = ", ".join(sorted(self.variables)) or "none"
        faults += [
            f"{name}: there is no such variable; there are: {known}"
            for name in sorted(given.keys() - self.variables.keys())
        ]
        texts: dict[str, str] = {}
        for name in sorted(given.keys() & self.variables.keys()):
            try:
                texts[name] = WRITERS[self.variables[name].kind](name, given[name], nonce)
            except ValueError as error:
                faults.append(f"{name}: {error}")
        if faults:
            raise ConfigurationError(*(f"prompt {self.name}: {fault}" for fault in faults))
        fill = _jinja if self.engine == "minijinja" else _plain
        return fill(self.system, texts, given), fill(self.user, texts, given)


def _faults(template: Template) -> list[str]:
    """What is wrong with a template itself, whatever its values."""
    faults = []
    if not NAME.fullmatch(template.name):
        faults.append("name: letters, digits and _ in lower case, a letter first")
    faults += [
        f"variables.{name}: lower case letters, digits and _" for name in template.variables if not NAME.fullmatch(name)
    ]
    if not template.user.strip():
        faults.append("the part # User is empty")
    faults += [
        f"variables.{name}.default: {fault}"
        for name, one in template.variables.items()
        if not one.is_required and (fault := _unfit(one.kind, name, one.default))
    ]
    whole = f"{template.system}\n{template.user}"
    if template.engine == "plain":
        used = set(PLACE.findall(whole))
        strange = [found[0] for found in STRANGE.finditer(PLACE.sub("", whole))]
        faults += [f"{place}: only {{{{ name }}}} is a place; `engine: minijinja` allows more" for place in strange]
    else:
        used = _jinja_names(whole, faults)
    faults += [
        f"{{{{ {name} }}}}: is not declared under variables" for name in sorted(used - template.variables.keys())
    ]
    faults += [f"variables.{name}: is declared and not used" for name in sorted(template.variables.keys() - used)]
    return faults


def _unfit(kind: Kind, name: str, value: Any) -> str:
    """Why `value` cannot be written as `kind`; empty where it can."""
    try:
        WRITERS[kind](name, value, "0")
    except ValueError as error:
        return str(error)
    return ""


def _plain(text: str, texts: Mapping[str, str], given: Mapping[str, Any]) -> str:
    return PLACE.sub(lambda place: texts[place[1]], text).strip()


def _jinja(text: str, texts: Mapping[str, str], given: Mapping[str, Any]) -> str:
    import minijinja

    engine = minijinja.Environment(fuel=FUEL, undefined_behavior="strict", pycompat=False)
    values = {name: _seen(texts[name], value) for name, value in given.items()}
    try:
        return str(engine.render_str(text, **values)).strip()
    except minijinja.TemplateError as error:
        reason = str(error).partition("\n")[0]  # what follows shows the values
        raise ConfigurationError(f"the template failed: {reason}") from None


class _Items(list[Any]):
    """A list that a loop goes through, and that writes itself as its variable's kind does."""

    written = ""

    def __str__(self) -> str:
        return self.written


class _Fields(dict[str, Any]):
    """An object, likewise. An empty one stands for null, so that a condition takes it for nothing."""

    written = ""

    def __str__(self) -> str:
        return self.written


def _seen(written: str, value: Any) -> Any:
    """What a statement of a template sees of a value: a number or a flag as it is, a text as it is written, a structure."""
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return written
    plain = _harmless(msgspec.json.decode(msgspec.json.encode(value)))
    shown = _Items(plain) if isinstance(plain, list) else _Fields(plain or {})
    shown.written = written
    return shown


def _harmless(value: Any) -> Any:
    """Decoded JSON with every text, names of members too, escaped and in one line."""
    if isinstance(value, str):
        return escape_line(value)
    if isinstance(value, dict):
        return {escape_line(key): _harmless(one) for key, one in value.items()}
    return [_harmless(one) for one in value] if isinstance(value, list) else value


def _jinja_names(text: str, faults: list[str]) -> set[str]:
    import minijinja

    try:
        return set(minijinja.Environment().undeclared_variables_in_str(text)) - BUILT_IN
    except minijinja.TemplateError as error:
        faults.append(f"the template does not parse: {error}")
        return set()


def _document(name: str, value: Any, nonce: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, is {type(value).__name__}")
    return enclose(name, escape_text(value), nonce)


def _json(name: str, value: Any, nonce: str) -> str:
    try:
        return enclose(name, escape_json(value), nonce)
    except (TypeError, msgspec.MsgspecError) as error:
        raise ValueError(f"is no JSON value: {error}") from error


def _text(name: str, value: Any, nonce: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, is {type(value).__name__}")
    if len(value) > LONGEST_TEXT:
        raise ValueError(f"has {len(value):,} characters; above {LONGEST_TEXT:,} declare it as a document")
    return escape_line(value)


def _number(name: str, value: Any, nonce: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"must be a finite number, is {value!r}"[:200])
    return f"{value}"


def _flag(name: str, value: Any, nonce: str) -> str:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, is {type(value).__name__}")
    return "true" if value else "false"


def _trusted(name: str, value: Any, nonce: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, is {type(value).__name__}")
    return value


WRITERS: Final[Mapping[str, Callable[[str, Any, str], str]]] = {
    "document": _document,
    "json": _json,
    "text": _text,
    "number": _number,
    "flag": _flag,
    "trusted": _trusted,
}
"""How a value of each kind is written."""
