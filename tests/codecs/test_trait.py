"""Model rows: the right facts for the names that providers use, neutral facts for all others."""

from __future__ import annotations

import pytest

from backstay.codecs.trait import Traits, traits


@pytest.mark.parametrize(
    ("model", "role", "takes_sampling"),
    [
        ("gpt-4.1", "system", True),
        ("gpt-4o-mini-2024-07-18", "system", True),
        ("o1", "developer", False),
        ("o1-mini-2024-09-12", "none", False),
        ("o3-mini", "developer", False),
        ("gpt-5-nano", "developer", False),
        ("gpt-5-chat-latest", "system", True),
        ("GPT-5.4-NANO", "developer", True),
        ("gpt-5.6-sol", "developer", False),
        ("gpt-6.1-sol", "developer", False),
        ("llama-3.3-70b", "system", True),
    ],
)
def test_a_models_role_and_sampling(model: str, role: str, takes_sampling: bool) -> None:
    """The word for the system prompt and whether a temperature is taken follow from the name, dated or not."""
    found = traits("openai_chat", model)
    assert (found.system_role, found.takes_sampling(None)) == (role, takes_sampling)


def test_sampling_comes_back_without_reasoning() -> None:
    """A model that refuses a temperature while it reasons takes one at effort none."""
    found = traits("openai_chat", "gpt-5.6")
    assert not found.takes_sampling("low")
    assert found.takes_sampling("none")


def test_stop_sequences_follow_the_model() -> None:
    """o3-mini takes stop sequences, o3 and gpt-5 do not."""
    assert [traits("openai_chat", name).takes_stop for name in ("o3-mini", "o3", "gpt-5", "gpt-4o")] == [
        True,
        False,
        False,
        True,
    ]


def test_an_effort_may_depend_on_the_dialect() -> None:
    """One model takes the highest effort in one API only."""
    assert "max" in (traits("openai_responses", "gpt-6.1-sol").efforts or ())
    assert "max" not in (traits("openai_chat", "gpt-6.1-sol").efforts or ())


def test_an_unknown_model_and_an_unknown_dialect_refuse_nothing() -> None:
    """Neutral facts where there is no row."""
    assert traits("openai_chat", "my-finetune") == Traits()
    assert traits("some_dialect", "gpt-5") == Traits()
