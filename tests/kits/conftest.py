"""A model in this process for the kits: the file that BACKSTAY_LOCAL_MODEL names, else the tiny one, which writes nonsense that
fits its schema. With the second a kit has to see that, and to say so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backstay.config import Loaded, load

WINDOW = 16_384
"""Tokens that the local model is run with; of the tiny one each is a byte."""


@pytest.fixture(scope="session")
def local_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's file; skips where llama.cpp is not installed."""
    pytest.importorskip("xllamacpp")
    if named := os.environ.get("BACKSTAY_LOCAL_MODEL"):
        return Path(named)
    from tests.local.tiny import write_model

    return write_model(tmp_path_factory.mktemp("model") / "tiny.gguf", context=WINDOW)


@pytest.fixture
def local(local_model: Path, tmp_path: Path) -> Loaded:
    """Settings with that model, and with a ledger, limits and a home of the test's own."""
    arguments = {
        "model": "local:model",
        "local.path": str(local_model),
        "local.context": WINDOW,
        "ledger.path": str(tmp_path / "ledger.db"),
    }
    return load(environ={}, arguments=arguments, cwd=tmp_path, user_folder=tmp_path)


@pytest.fixture(scope="session")
def is_nonsense() -> bool:
    """True where the model is the tiny one."""
    return "BACKSTAY_LOCAL_MODEL" not in os.environ
