"""Flow: several prompts and tools in sequence, with conditions, written down in a file.

    flow: triage
    inputs: [letter]
    until: facts.confidence >= 0.8
    max_iterations: 3
    steps:
      - {name: facts, prompt: read_letter}
      - {name: rules, tool: find_rules, values: {code: facts.code}, when: given(facts.code)}
      - {name: advice, prompt: advise, values: {plan: "[facts, rules]"}, when: given(rules)}

The state begins with the inputs. A step runs where its condition (`when`) holds, and what it gives is kept in the state under its
name. `values` maps a prompt's variable, or a tool's argument, to an expression over the state (`expression.py`); a variable
that is not mapped takes the member of the state with its own name, where there is one. The steps are gone through once, or,
where `until` says when the flow is complete, again until it holds, `max_iterations` times at most.

Everything that can be known before a flow runs is checked by `faults`: prompts, variables, tools, expressions, names.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from backstay.errors import ConfigurationError
from backstay.prompts.expression import WORDS, parse_expression
from backstay.prompts.library import PromptLibrary
from backstay.prompts.template import NAME

MAX_ITERATIONS: Final = 10


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step: a `prompt` (of a `version`) or a `tool`. `tools` are those that a prompt's answer may call.

    One that is `optional` may fail: the flow goes on, and the trace says why.
    """

    name: str
    prompt: str | None = None
    version: str | None = None
    tool: str | None = None
    tools: tuple[str, ...] = ()
    values: dict[str, str] = {}
    when: str = ""
    optional: bool = False


class Flow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"name": "flow"}):
    """A flow before it runs; `inputs` are the names that its state begins with."""

    name: str
    description: str = ""
    inputs: tuple[str, ...] = ()
    steps: tuple[Step, ...]
    until: str = ""
    max_iterations: Annotated[int, Meta(ge=1, le=1_000)] = MAX_ITERATIONS

    def __post_init__(self) -> None:
        if faults := list(_own_faults(self)):
            raise ConfigurationError(*(f"flow {self.name}: {fault}" for fault in faults))

    def faults(self, library: PromptLibrary, tools: Collection[str] = ()) -> list[str]:
        """What is wrong with it beside these prompts and tools, one sentence each; nothing where it can run."""
        return [f"flow {self.name}: {fault}" for step in self.steps for fault in _faults(self, step, library, tools)]


def read_flow(text: str, *, source: str = "text", form: str = "yaml") -> Flow:
    """The Flow written in `text`, which is YAML or TOML. Raises ConfigurationError that names the source and each fault."""
    try:
        return msgspec.convert(_decode(text, form), Flow)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"flow file {source}: {error}") from error
    except ConfigurationError as error:
        raise ConfigurationError(*(f"flow file {source}: {fault}" for fault in error.faults)) from error


def load_flow(path: str | Path) -> Flow:
    """The Flow in a file that ends in .yaml, .yml or .toml. Raises ConfigurationError."""
    file = Path(path)
    forms = {".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}
    if file.suffix.lower() not in forms:
        raise ConfigurationError(f"flow file {file.name}: ends in none of {', '.join(forms)}")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"flow file {file.name}: cannot be read: {error}") from error
    return read_flow(text, source=file.name, form=forms[file.suffix.lower()])


def _decode(text: str, form: str) -> Any:
    if form == "toml":
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"is no TOML: {error}") from error
    import yaml_rs

    try:
        return yaml_rs.loads(text)
    except yaml_rs.YAMLDecodeError as error:
        raise ConfigurationError(f"is no YAML: {error}") from error


def _own_faults(flow: Flow) -> Iterator[str]:
    """What is wrong whatever prompts and tools there are."""
    if not flow.steps:
        yield "steps: there are none"
    seen: set[str] = set()
    for name in (*flow.inputs, *(step.name for step in flow.steps)):
        if not NAME.fullmatch(name) or name in WORDS:
            yield f"{name!r}: a name has lower case letters, digits and _, a letter first"
        if name in seen:
            yield f"{name}: is the name of two inputs or steps"
        seen.add(name)
    for step in flow.steps:
        if (step.prompt is None) == (step.tool is None):
            yield f"step {step.name}: needs a prompt or a tool, and not both"
        if step.tool is not None and (step.tools or step.version):
            yield f"step {step.name}: tools and version belong to a prompt"
    for where, text in _expressions(flow):
        try:
            names = parse_expression(text).names
        except ConfigurationError as error:
            yield from (f"{where}: {fault}" for fault in error.faults)
        else:
            yield from (f"{where}: there is no input and no step {name}" for name in sorted(names - seen))


def _expressions(flow: Flow) -> Iterator[tuple[str, str]]:
    for step in flow.steps:
        if step.when:
            yield f"step {step.name}.when", step.when
        yield from ((f"step {step.name}.values.{name}", text) for name, text in step.values.items())
    if flow.until:
        yield "until", flow.until


def _faults(flow: Flow, step: Step, library: PromptLibrary, tools: Collection[str]) -> Iterator[str]:
    named = [step.tool] if step.tool is not None else step.tools
    for tool in named:
        if tool not in tools:
            yield f"step {step.name}: there is no tool {tool}; there is {', '.join(sorted(tools)) or 'none'}"
    if step.prompt is None:
        return
    try:
        variables = library.get(step.prompt, step.version).variables
    except ConfigurationError as error:
        yield f"step {step.name}: {error}"
        return
    for name in sorted(step.values.keys() - variables.keys()):
        yield f"step {step.name}.values.{name}: {step.prompt} has no such variable; it has {', '.join(variables)}"
    known = {*flow.inputs, *(other.name for other in flow.steps), *step.values}
    for name in sorted(variables.keys() - known):
        if variables[name].is_required:
            yield f"step {step.name}: {step.prompt} needs {name}; map it under values"


def values_of(step: Step, state: Mapping[str, Any], variables: Iterable[str] = ()) -> dict[str, Any]:
    """The values of a step: what it maps, and of `variables` those that the state has. Raises ConfigurationError."""
    own = {name: state[name] for name in variables if name in state}
    return own | {name: parse_expression(text).value(state) for name, text in step.values.items()}
