"""Tokenizers: exact counts of text, offline, for the models whose vocabulary is public (`pip install 'backstay[tokens]'`).

`tokenizer_of("gpt-4o")` is a `TokenCounter` or None. What it counts is the text: how a provider frames messages and tools into
tokens is its own affair, so the count of a whole request stays an estimate, a close one. The vocabularies come with the
`splintr-rs` package; nothing is fetched. Text is counted as text: a special token that is spelled out in it is not one.

Which model has which vocabulary is a table: the first row that matches the model's name counts. A model that is in no row has
none here, because a wrong vocabulary counts wrong in silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Final

from backstay.errors import ConfigurationError
from backstay.tokens import TokenCounter

ROWS: Final[tuple[tuple[str, str], ...]] = (
    ("gpt-oss*", "gpt-oss"),
    ("gpt-4o*", "o200k_base"),
    ("chatgpt-4o*", "o200k_base"),
    ("gpt-4.[15]*", "o200k_base"),
    ("gpt-5*", "o200k_base"),
    ("o[134]", "o200k_base"),
    ("o[134]-*", "o200k_base"),
    ("gpt-4*", "cl100k_base"),
    ("gpt-3.5*", "cl100k_base"),
    ("gpt-35*", "cl100k_base"),
    ("text-embedding-3-*", "cl100k_base"),
    ("text-embedding-ada-002", "cl100k_base"),
    ("*llama-3[.-]*", "llama3"),
    ("*llama3*", "llama3"),
    ("*deepseek-v3*", "deepseek_v3"),
    ("*deepseek-r1*-distill-*", ""),
    ("*deepseek-r1*", "deepseek_v3"),
    ("qwen3.[5-9]*", ""),
    ("qwen3-*", "qwen3"),
    ("qwen3", "qwen3"),
    ("qwen3:*", "qwen3"),
    ("qwen2.5*", "qwen2.5"),
    ("gemma[-]4*", "gemma4"),
    ("gemma4*", "gemma4"),
    ("gemma[-]3*", "gemma3"),
    ("gemma3*", "gemma3"),
    ("gemma[-]2*", "gemma2"),
    ("gemma2*", "gemma2"),
    ("mistral-nemo*", "mistral_v3"),
    ("open-mistral-nemo*", "mistral_v3"),
    ("kimi-k2*", "kimi_k2"),
    ("glm-4*", "glm4"),
    ("phi-4*", "phi4"),
    ("phi4*", "phi4"),
)
"""Patterns over a model's name (lower case, without its publisher) and its vocabulary; "" says that there is none for it."""

_PLACE: Final = re.compile(r"(us|eu|apac|global)\.")


class Tokenizer:
    """Counts the tokens of a text with one vocabulary, exactly."""

    __slots__ = ("_encode", "_frame", "vocabulary")

    def __init__(self, vocabulary: str, encode: Callable[[str], list[int]]) -> None:
        self.vocabulary = vocabulary
        self._encode = encode
        self._frame = len(encode(""))  # what some vocabularies put around every text

    def __call__(self, text: str, /) -> int:
        """The tokens of `text`. Half a surrogate pair counts as the question mark that it is sent as."""
        try:
            return len(self._encode(text)) - self._frame
        except UnicodeEncodeError:
            return len(self._encode(text.encode("utf-8", "replace").decode())) - self._frame


def vocabulary_of(model: str) -> str | None:
    """The name of the vocabulary of `model`, a provider's name for it ("openai/gpt-4o", "llama3.2:3b"); None where unknown."""
    name = _PLACE.sub("", model.lower(), count=1).rpartition("/")[2]
    return next((vocabulary or None for pattern, vocabulary in ROWS if fnmatchcase(name, pattern)), None)


def tokenizer_of(model: str) -> Tokenizer | None:
    """The tokenizer of `model`; None for a model without a known vocabulary.

    Raises ConfigurationError where the `tokens` extra is not installed.
    """
    vocabulary = vocabulary_of(model)
    return None if vocabulary is None else _load(vocabulary)


def counter_of(model: str, otherwise: TokenCounter) -> tuple[TokenCounter, str | None]:
    """The counter to use for `model` and its vocabulary's name: `otherwise` and None where there is none, or no extra."""
    vocabulary = vocabulary_of(model)
    if vocabulary is None or not is_installed():
        return otherwise, None
    return _load(vocabulary), vocabulary


@lru_cache(maxsize=1)
def is_installed() -> bool:
    """True where the `tokens` extra is there."""
    return find_spec("splintr") is not None


@lru_cache(maxsize=4)
def _load(vocabulary: str) -> Tokenizer:
    """A vocabulary takes up to 0.3 s and some 20 MB, so it is loaded once and only a few are kept."""
    try:
        import splintr  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise ConfigurationError(
            "exact token counts need the tokens extra. Remedy: pip install 'backstay[tokens]'"
        ) from error
    loaded: Any = splintr.Tokenizer.from_pretrained(vocabulary)
    return Tokenizer(vocabulary, loaded.encode_ordinary)
