"""What a user installs: few packages, the data files, the licence, nothing that runs by itself."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def installed_with(name: str, seen: set[str]) -> set[str]:
    """The packages that installing `name` brings on this platform, extras left out."""
    for requirement in metadata.requires(name) or []:
        spec, _, marker = requirement.partition(";")
        package = re.match(r"[A-Za-z0-9._-]+", spec.strip())
        if (
            package is None
            or "extra" in marker
            or "win32" in marker
            or "Windows" in marker
            or "python_version <" in marker
        ):
            continue
        found = package[0].lower().replace("_", "-")
        if found not in seen:
            seen.add(found)
            installed_with(found, seen)
    return seen


def test_the_core_installs_at_most_fifteen_packages() -> None:
    """Command line and PDF reading included."""
    packages = installed_with("backstay", {"backstay"})
    assert len(packages) <= 15, sorted(packages)


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    """Data files are in it; tests, examples, start-up hooks and paths of this machine are not."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if not re.match(r"backstay-[^/]*\.dist-info", name)} == {"backstay"}
    for wanted in (
        "backstay/py.typed",
        "backstay/extract/schemas/invoice.json",
        "backstay/ledger/migrations/001_attempt.sql",
        "backstay/prompts/shipped/situation_summary.md",
        "backstay/stores/migrations/001_attempt.sql",
        "backstay/stores/scripts/cache.lua",
    ):
        assert wanted in names
    assert not [name for name in names if name.endswith((".pth", ".pyc"))]
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_no_tracked_file_speaks_of_one_machine() -> None:
    """No absolute path of a developer's machine, no key, no index address in what is committed."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    banned = re.compile(r"(?<![\w.])/(?:home|root|Users|work)/[a-z]|files\.pythonhosted|sk-[A-Za-z0-9]{20}")
    wrong = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in (".gz", ".dat", ".pdf", ".lock") or not path.is_file() or path == Path(__file__):
            continue
        if banned.search(path.read_text(encoding="utf-8", errors="replace")):
            wrong.append(name)
    assert wrong == []
