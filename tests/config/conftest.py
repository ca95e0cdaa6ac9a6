"""A world for configuration tests: an empty folder, provider rows of our own, and no environment but what a test gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backstay.codecs.registry import ProviderRow
from backstay.config import Loaded, load

ROWS = (
    ProviderRow(
        name="openai",
        dialect="openai_chat",
        base_url="https://api.openai.com/v1",
        key_env=("OPENAI_API_KEY",),
        url_env=("OPENAI_BASE_URL",),
    ),
    ProviderRow(
        name="anthropic", dialect="anthropic", base_url="https://api.anthropic.com", key_env=("ANTHROPIC_API_KEY",)
    ),
    ProviderRow(
        name="gemini",
        dialect="gemini",
        base_url="https://gemini.example/v1",
        key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    ),
    ProviderRow(
        name="azure",
        dialect="openai_chat",
        base_url="https://{resource}.example/openai/v1",
        key_env=("AZURE_OPENAI_API_KEY",),
    ),
    ProviderRow(
        name="bedrock", dialect="bedrock", base_url="https://bedrock.{region}.example", key_env=("BEDROCK_KEY",)
    ),
    ProviderRow(
        name="llamacpp",
        dialect="openai_chat",
        base_url="http://127.0.0.1:8080/v1",
        url_env=("LLAMA_SERVER_URL",),
        is_local=True,
    ),
    ProviderRow(
        name="ollama", dialect="ollama", base_url="http://127.0.0.1:11434", url_env=("OLLAMA_HOST",), is_local=True
    ),
)

Read = Callable[..., Loaded]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """`load` in a folder of its own: `text` becomes its backstay.toml; `named` says that the user named that file."""

    def run(text: str | None = None, *, named: bool = False, **options: object) -> Loaded:
        file = tmp_path / "backstay.toml"
        if text is not None:
            file.write_text(text, encoding="utf-8")
        options = {"environ": {}, "cwd": tmp_path, "user_folder": tmp_path / "user", "rows": ROWS, **options}
        return load(file if named else None, **options)  # type: ignore[arg-type]

    return run
