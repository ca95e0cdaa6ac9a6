"""Every command and snippet of the documentation is executed, in a folder of its own, with no key in the environment.

    ```python     run top to bottom, one namespace a page; `>>>` blocks as doctests
    ```sh         run line by line by a shell; each line must exit 0, or with the code that a trailing `# exit N` names
    ```console    lines after `$ ` are run, the lines below must stand in what they print
    ```text, ```toml, ```json     read by people; toml and json must parse

A block after the comment `<!-- not run: why -->` is not run; the test prints how many there are and why.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"^(?P<skip><!-- not run: [^\n]+ -->\n+)?```(?P<kind>\w+)[^\n]*\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
BIN = Path(sys.executable).parent


class Block(NamedTuple):
    kind: str
    body: str
    line: int
    is_run: bool


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        yield Block(match["kind"], match["body"], text.count("\n", 0, match.start("body")) + 1, match["skip"] is None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with the examples in it, as a reader of the page has them."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "home").mkdir()
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        "PYTHONWARNINGS": "error",
        "COLUMNS": "110",
    }


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment(folder),
        text=True,
        capture_output=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def check_command(line: str, folder: Path, place: str) -> str:
    command, _, note = line.partition("# exit ")
    wanted = int(note) if note else 0
    done = run(command, folder)
    assert done.returncode == wanted, f"{place}: {line}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def check_console(block: Block, folder: Path, place: str) -> None:
    printed = ""
    for line in block.body.splitlines():
        if line.startswith("$ "):
            printed = check_command(line[2:], folder, place)
        elif line.strip() and line.strip() != "...":
            assert line.strip() in printed, f"{place}: expected {line!r} in\n{printed}"


def check_python(bodies: list[Block], folder: Path, page: Path) -> None:
    """All plain blocks of a page as one program, so that a later block may use an earlier one's names."""
    plain = [block for block in bodies if ">>>" not in block.body]
    if plain:
        program = "\n".join(block.body for block in plain)
        (folder / "page.py").write_text(program, encoding="utf-8")
        done = run(f"{sys.executable} page.py", folder)
        assert done.returncode == 0, f"{page.name}:\n{done.stdout}{done.stderr}"
    source = "\n".join(block.body for block in bodies if ">>>" in block.body)
    if source:
        (folder / "session.txt").write_text(source, encoding="utf-8")
        done = run(f"{sys.executable} -m doctest -o ELLIPSIS -o NORMALIZE_WHITESPACE session.txt", folder)
        assert done.returncode == 0, f"{page.name}:\n{done.stdout}{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_the_page_says_works(page: Path, folder: Path) -> None:
    """Each block of the page does what the page says it does."""
    runnable = [block for block in blocks(page) if block.is_run]
    for block in runnable:
        place = f"{page.name}:{block.line}"
        if block.kind == "sh":
            for line in filter(None, map(str.strip, block.body.replace("\\\n", "").splitlines())):
                check_command(line, folder, place)
        elif block.kind == "console":
            check_console(block, folder, place)
        elif block.kind == "toml":
            tomllib.loads(block.body)
        elif block.kind == "json":
            msgspec.json.decode(block.body)
    check_python([block for block in runnable if block.kind == "python"], folder, page)


def test_blocks_that_are_not_run_are_few() -> None:
    """A page may skip what installs or needs a key; it may not skip the rest."""
    skipped = [f"{page.name}:{block.line}" for page in PAGES for block in blocks(page) if not block.is_run]
    assert len(skipped) <= 12, skipped


def test_the_runner_sees_a_wrong_page(tmp_path: Path) -> None:
    """The broken variant: a console block whose output is not what is printed fails."""
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo one\ntwo\n```\n", encoding="utf-8")
    (block,) = blocks(page)
    (tmp_path / "home").mkdir()
    with pytest.raises(AssertionError, match="expected 'two'"):
        check_console(block, tmp_path, "page")


def test_links_between_pages_lead_somewhere() -> None:
    """A relative link names a file that exists."""
    broken = [
        f"{page.name}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []
