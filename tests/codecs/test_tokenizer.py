"""Tokenizers: which model has which vocabulary, what is counted, and what is said where the extra is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from backstay import Client, tokenizer
from backstay.config import load
from backstay.errors import ConfigurationError
from backstay.ledger.memory import MemoryLedger
from backstay.sim import sim_world
from backstay.tokenizer import ROWS, Tokenizer, counter_of, tokenizer_of, vocabulary_of
from backstay.tokens import estimate_request, upper_bound
from backstay.transport.fake import FakeTransport
from backstay.types import Request, user


@pytest.mark.parametrize(
    ("model", "vocabulary"),
    [
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("openai/gpt-4o", "o200k_base"),
        ("gpt-4.1-nano", "o200k_base"),
        ("gpt-5.2", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("openai/gpt-oss-20b", "gpt-oss"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama3"),
        ("us.meta.llama3-1-8b-instruct-v1:0", "llama3"),
        ("llama3.2:3b", "llama3"),
        ("deepseek-ai/DeepSeek-V3", "deepseek_v3"),
        ("deepseek-r1", "deepseek_v3"),
        ("DeepSeek-R1-Distill-Qwen-7B", None),
        ("Qwen/Qwen3-8B", "qwen3"),
        ("qwen3:4b", "qwen3"),
        ("qwen3.5-plus", None),
        ("google/gemma-3-4b-it", "gemma3"),
        ("moonshotai/Kimi-K2-Instruct", "kimi_k2"),
        ("claude-sonnet-5", None),
        ("gemini-3.5-flash", None),
        ("gpt-6.1-sol", None),
        ("my-deployment", None),
    ],
)
def test_a_models_vocabulary_is_a_row(model: str, vocabulary: str | None) -> None:
    """Publishers, regions and case are passed over; a model that is not known to have a vocabulary has none."""
    assert vocabulary_of(model) == vocabulary


class Words(ModuleType):
    """A stand-in for the package: a token is a word, and each text is framed by two."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)  # what an installed package has

    class Tokenizer:
        def __init__(self, name: str) -> None:
            self.name = name

        @classmethod
        def from_pretrained(cls, name: str) -> Words.Tokenizer:
            return cls(name)

        def encode_ordinary(self, text: str) -> list[int]:
            text.encode()  # as the package: text that is no Unicode is refused
            return [0, *range(len(text.split())), 0]


def forget() -> None:
    """Nothing is known any more of what is installed and loaded."""
    tokenizer.is_installed.cache_clear()
    tokenizer._load.cache_clear()


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The extra, installed: another package under its name."""
    monkeypatch.setitem(sys.modules, "splintr", Words("splintr"))
    forget()
    yield
    forget()


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The extra, missing: its name imports nothing."""
    monkeypatch.setitem(sys.modules, "splintr", None)
    forget()
    yield
    forget()


def test_the_frame_of_a_vocabulary_is_not_counted(words: None) -> None:
    """A text has the tokens of its text, and none has none; half a character is counted as it is sent."""
    count = tokenizer_of("gpt-4o")
    assert isinstance(count, Tokenizer)
    assert (count("three small words"), count(""), count("\ud800 x")) == (3, 0, 2)
    assert tokenizer_of("claude-sonnet-5") is None


def test_without_the_extra_the_error_says_what_to_install(bare: None) -> None:
    """And whoever can do without goes on with the bound."""
    with pytest.raises(ConfigurationError, match=r"pip install 'backstay\[tokens\]'"):
        tokenizer_of("gpt-4o")
    assert counter_of("gpt-4o", upper_bound) == (upper_bound, None)


def client(tmp_path: Path) -> Client:
    loaded = load(
        environ={"GROQ_API_KEY": "k"},
        arguments={"model": "groq:openai/gpt-oss-20b"},
        cwd=tmp_path,
        user_folder=tmp_path,
    )
    return Client(loaded=loaded, transport=FakeTransport(), world=sim_world(1), ledger=MemoryLedger())


async def test_a_count_says_which_vocabulary_counted_and_that_the_frame_is_bounded(tmp_path: Path, words: None) -> None:
    """Texts are exact; what a provider puts around them is not known, so the whole is a bound and says so."""
    counted = await client(tmp_path).count_tokens("one two three")
    assert not counted.is_exact
    assert "gpt-oss" in counted.method
    bound = estimate_request(Request(messages=(user("one two three"),)), lambda text: len(text.split()))
    assert counted.input_tokens == bound


async def test_a_count_without_the_extra_is_the_bound(tmp_path: Path, bare: None) -> None:
    """As before there were tokenizers."""
    counted = await client(tmp_path).count_tokens("one two three")
    assert counted.method == "upper bound from its bytes"


def test_the_vocabularies_exist_and_count_as_published() -> None:
    """With the extra installed: every vocabulary loads, special tokens in a text are text, and known counts come out."""
    pytest.importorskip("splintr")
    for name in {vocabulary for _, vocabulary in ROWS if vocabulary}:
        assert tokenizer._load(name)("hello world") >= 1
    o200k, cl100k = tokenizer._load("o200k_base"), tokenizer._load("cl100k_base")
    assert (o200k("hello world"), cl100k("hello world")) == (2, 2)
    assert (o200k("antidisestablishmentarianism"), cl100k("antidisestablishmentarianism")) == (6, 6)
    assert o200k("<|endoftext|>") > 1
