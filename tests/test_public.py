"""The public names: pinned, lazy, and each the thing that its module defines."""

from __future__ import annotations

import importlib
import subprocess
import sys

import backstay


def test_every_public_name_is_there() -> None:
    """`__all__`, the table of homes and the modules agree."""
    assert set(backstay.__all__) == set(backstay._HOME_OF)
    for name in backstay.__all__:
        home = importlib.import_module(f"backstay.{backstay._HOME_OF[name]}")
        assert getattr(backstay, name) is (home if name == "replay" else getattr(home, name))
    assert callable(backstay.replay)
    assert len(backstay.__all__) <= 60


def test_importing_the_package_imports_nothing_else() -> None:
    """The names are fetched when they are used."""
    code = "import backstay, sys; print(sum(name.startswith('backstay.') for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As for any module."""
    assert not hasattr(backstay, "no_such_name")
