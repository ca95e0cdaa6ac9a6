"""The house keeps its shape: imports point downward, nothing reads the world directly, files and functions stay small."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "backstay"
MODULES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))}

FLOORS = (
    ("cli", "gateway", "batch", "kits"),
    ("sync", "client", "answer"),
    ("conversation",),
    ("extract", "tools", "prompts"),
    ("dispatch", "discover", "assembly", "board"),
    ("layers", "offline", "sim", "replay"),
    ("usage",),
    ("provider", "ledger", "document", "config"),
    ("estimate",),
    ("service", "target", "stores", "tokens", "tokenizer"),
    ("transport", "catalog", "codecs", "recover", "ask", "portal", "parquet", "minilm"),
    ("fold", "ports", "canonical", "recent", "eager"),
    ("event", "errors", "wire", "types", "secret", "chart"),
)
"""From the roof to the ground. A module imports from its own floor and from those below; a line of `FLOORS` is a floor."""

LEVEL = {room: len(FLOORS) - level for level, rooms in enumerate(FLOORS) for room in rooms}

DIRECT = re.compile(
    r"\b(time\.(time|time_ns|monotonic|monotonic_ns|perf_counter|sleep)|random\.(random|uniform|choice|randint|shuffle)"
    r"|uuid\.?uuid[14]|uuid4\(|datetime\.(now|utcnow|today)|date\.today|asyncio\.sleep)\b"
)
ADAPTERS = {"ports.py", "sim/loop.py", "sim/world.py", "transport/http.py"}


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def room_of(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """The rooms that a module imports, and whether only for type checking or inside a function."""
    lazy = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("backstay."):
            yield (node.module or "").split(".")[1], id(node) in lazy


def test_every_room_has_a_floor() -> None:
    """A new room is placed on purpose, in this file."""
    rooms = {room_of(path) for path in MODULES} - {"__init__", "__main__"}
    assert rooms <= set(LEVEL)


def test_imports_point_downward() -> None:
    """Nobody imports from a higher floor at import time; a lazy import may look at its own floor's callers' types only."""
    wrong = [
        f"{name_of(path)} imports {room}"
        for path, tree in MODULES.items()
        if room_of(path) in LEVEL
        for room, is_lazy in imported(tree)
        if not is_lazy and LEVEL[room] > LEVEL[room_of(path)]
    ]
    assert wrong == []


def test_the_import_rule_sees_a_wrong_import() -> None:
    """The broken variant: a codec that imports the client is found."""
    tree = ast.parse("from backstay.client import Client\n")
    assert [LEVEL[room] > LEVEL["codecs"] for room, _ in imported(tree)] == [True]


def code_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a module without its docstrings and comments."""
    text = path.read_text(encoding="utf-8")
    quoted = {
        line
        for node in ast.walk(MODULES[path])
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    for number, line in enumerate(text.splitlines(), 1):
        if number not in quoted:
            yield number, line.partition("#")[0]


def test_nothing_reads_the_world_directly() -> None:
    """Clock, random numbers, ids and sleep come from ports; only the adapters touch the real ones."""
    wrong = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in MODULES
        if name_of(path) not in ADAPTERS
        for number, line in code_lines(path)
        if DIRECT.search(line)
    ]
    assert wrong == []


def test_no_branch_on_a_provider() -> None:
    """Providers differ in data, not in control flow."""
    pattern = re.compile(r"\bprovider(\.name|_name)?\s*(==|!=|in)\s*[(\[{]?\s*[\"']")
    wrong = [
        f"{name_of(path)}:{number}" for path in MODULES for number, line in code_lines(path) if pattern.search(line)
    ]
    assert wrong == []


def test_files_and_functions_stay_small() -> None:
    """No file above 500 lines, no function above 60, no more than 8 parameters."""
    wrong = [name_of(path) for path in MODULES if len(path.read_text(encoding="utf-8").splitlines()) > 500]
    for path, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                count = len([argument for argument in arguments if argument.arg not in ("self", "cls")])
                if length > 60 or count > 8:
                    wrong.append(f"{name_of(path)}:{node.name} ({length} lines, {count} parameters)")
    assert wrong == []


def test_every_module_says_what_it_is() -> None:
    """The module docstring is where a reader finds the idea."""
    missing = [name_of(path) for path, tree in MODULES.items() if tree.body and not ast.get_docstring(tree)]
    assert missing == []


def test_no_loose_drawers() -> None:
    """A file is named for one concept."""
    wrong = [
        name_of(path) for path in MODULES if re.match(r"(utils?|common|helpers?|misc|base_.*|.*manager)\.py", path.name)
    ]
    assert wrong == []


@pytest.mark.parametrize("banned", ["aiohttp", "httpx", "pydantic", "numpy", "rich", "click", "pypdfium2", "sqlite3"])
def test_the_package_imports_lightly(banned: str) -> None:
    """`import backstay` brings in none of the heavy packages."""
    code = f"import backstay, sys; sys.exit({banned!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_only_the_transport_knows_the_http_library() -> None:
    """One importer, so that it can be exchanged."""
    wrong = [
        name_of(path)
        for path, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        and any("httptools" in name for name in [getattr(node, "module", "") or "", *(a.name for a in node.names)])
        and room_of(path) != "transport"
    ]
    assert wrong == []
