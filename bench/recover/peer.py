"""The peers of the recovery benchmark, each as text to value; one that is not installed is named and left out.

jsonrepair runs in Node (found by `NODE_PATH` or in a `node_modules` above the working directory) and times itself there, so
that no process or pipe counts. BAML reads into the classes of the sample table, which is what it is made for.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

Read = Callable[[str], Any]
NAMES: dict[str, tuple[str, str]] = {
    "json_repair": ("json_repair", "loads"),
    "fast_json_repair": ("fast_json_repair", "loads"),
    "dirtyjson": ("dirtyjson", "loads"),
    "jiter": ("jiter", "from_json"),
}
NODE = """
const {jsonrepair} = require('jsonrepair'); const text = require('fs').readFileSync(0, 'utf8');
let best = Infinity, spent = 0, value = null;
for (let run = 0; run < 7 && spent < 1000; run++) {
  const began = performance.now(); value = JSON.parse(jsonrepair(text));
  const took = performance.now() - began; best = Math.min(best, took); spent += took; }
console.log(JSON.stringify({seconds: best / 1000, value}));
"""
BAML = """
class Agent {
  code int
  phone string?
}
class Row {
  id int
  name string
  email string
  length float
  moored bool
  cargo string[]
  note string
  agent Agent
}
class Table {
  rows Row[]
  total int
}
function Read(text: string) -> Table {
  client "openai/gpt-4o"
  prompt #"{{ text }}"#
}
"""


def load_peers() -> dict[str, Read]:
    """The Python peers that are installed; the others are named."""
    found: dict[str, Read] = {}
    for name, (module, function) in NAMES.items():
        try:
            call = getattr(import_module(module), function)
        except ImportError:
            print(f"skipped: {name} is not installed")
            continue
        found[name] = _jiter(call) if name == "jiter" else call
    try:
        found["baml-py"] = _baml()
    except ImportError:
        print("skipped: baml-py is not installed")
    return found


def _jiter(call: Callable[..., Any]) -> Read:
    return lambda text: call(text.encode(), partial_mode="trailing-strings")


def _baml() -> Read:
    runtime = import_module("baml_py").BamlRuntime.from_files("baml_src", {"table.baml": BAML}, {})
    context, types = runtime.create_context_manager(), _Namespace("table")

    def read(text: str) -> Any:
        return _plain(runtime.parse_llm_response("Read", text, types, types, types, False, context, None, None, {}))

    return read


class _Object:
    """An instance of a BAML class: its members as they are."""

    def __init__(self, **members: Any) -> None:
        self.members = members

    @classmethod
    def model_validate(cls, members: dict[str, Any]) -> _Object:
        """What BAML calls to make an instance."""
        return cls(**members)


class _Namespace(ModuleType):
    """Every class name BAML asks for."""

    def __getattr__(self, name: str) -> Any:
        return _Object


def _plain(value: Any) -> Any:
    if isinstance(value, _Object):
        value = value.members
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def has_node() -> bool:
    """True if Node finds jsonrepair; says so if not."""
    try:
        found = (
            subprocess.run(["node", "-e", "require('jsonrepair')"], capture_output=True, check=False).returncode == 0
        )
    except OSError:
        found = False
    if not found:
        print("skipped: jsonrepair (npm) is not installed")
    return found


def time_node(text: str) -> tuple[float, Any]:
    """Seconds of the best run of jsonrepair with JSON.parse, and the value. Raises ValueError if it refuses the text."""
    done = subprocess.run(["node", "-e", NODE], input=text, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise ValueError(done.stderr[-200:])
    answer = json.loads(done.stdout)
    return answer["seconds"], answer["value"]
