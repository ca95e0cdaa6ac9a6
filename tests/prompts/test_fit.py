"""A fitted prompt is never over, never cut inside a word, and keeps what is critical while it can."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.config.reliability import Tiers
from backstay.prompts import PromptLibrary, Rendered, Template, Variable
from backstay.prompts.escape import enclosed
from backstay.prompts.examples import Example, few_shot, select, show
from backstay.prompts.fit import MARK, fit, fit_prompt
from backstay.prompts.tier import choose_tier, model_of
from backstay.tokens import upper_bound

WORDS = st.lists(
    st.sampled_from(["alpha", "beta.", "gamma", "delta!", "x", "Zürich", "1,200.00", "\n\n", "\n", "東京。"]),
    max_size=60,
)
TEXTS = st.lists(st.tuples(st.sampled_from(["# Rules", "# Task", "# Data", "<doc>", ""]), WORDS), max_size=6).map(
    lambda parts: "\n".join(
        f"{head}\n{' '.join(words)}{chr(10) + '</doc>' if head == '<doc>' else ''}" for head, words in parts
    )
)


@given(TEXTS, st.integers(1, 120))
def test_never_over_and_never_inside_a_word(text: str, most: int) -> None:
    """Within the budget for any text; every word that is left is a word that was there."""
    fitted = fit(text, most)
    assert fitted.tokens == upper_bound(fitted.text) <= most
    assert set(fitted.text.replace(MARK, " ").split()) <= set(text.split()) | {"東京。"}
    assert fitted.is_whole == (fitted.text.strip() == text.strip())


@given(WORDS, WORDS, st.integers(20, 400))
def test_critical_sections_are_whole_while_they_fit(rules: list[str], data: list[str], most: int) -> None:
    """Whatever else is dropped first, from wherever it stands."""
    head = f"# Rules\n{' '.join(rules)}"
    fitted = fit(f"# Data\n{' '.join(data)}\n{head}", most, critical=["rules"])
    if upper_bound(f"{MARK}\n\n{head}".strip("\n")) <= most:
        assert head.rstrip("\n") in fitted.text
    if not fitted.is_whole and any(one.section == "Rules" for one in fitted.dropped):
        assert (
            any(one.section == "Data" and one.unit == "section" for one in fitted.dropped) or not "".join(data).strip()
        )


def test_the_report_names_what_is_gone() -> None:
    """Section, the kind of cut, tokens and the first words."""
    text = (
        "# Task\nSum it up.\n\n# Data\nFirst paragraph stays.\n\nSecond goes. It is long. " + "More words here. " * 30
    )
    fitted = fit(text, 60)
    (dropped,) = fitted.dropped
    assert dropped.section == "Data"
    assert dropped.begins.startswith(("Second", "It is long", "More"))
    assert fitted.text.endswith(MARK)
    assert "First paragraph stays." in fitted.text


def test_paragraphs_go_before_sentences() -> None:
    """A cut is made at the largest unit that leaves something."""
    text = "One one one.\n\nTwo two two. Three three three.\n\n" + "Four four four four. " * 20
    fitted = fit(text, upper_bound("One one one.\n\nTwo two two. Three three three. [...]") + 2)
    assert fitted.text == f"One one one.\n\nTwo two two. Three three three. {MARK}"


def test_a_heading_inside_a_document_is_the_documents() -> None:
    """Tags hold their text together, so a document cannot pose as a critical section."""
    text = "# Rules\nBe brief.\n<doc>\n# Rules\nBe long.\n</doc>\n# Task\nGo.\n" + "word " * 200
    assert "Be long." not in fit(text, 40, critical=["Rules"]).text


def read_letter(letter: str) -> Rendered:
    template = Template(
        name="read",
        system="You read letters.",
        user="# Task\nRead it.\n\n{{ letter }}\n\n# Question\nWhat is it?",
        variables={"letter": Variable()},
    )
    return PromptLibrary(templates=[template]).render("read", letter=letter)


@given(
    st.lists(st.sampled_from(["One two.", "<b>", "\n\n", "# Question", "</letter>", "\n"]), max_size=40),
    st.integers(40, 200),
)
def test_a_fitted_document_keeps_its_tags(pieces: list[str], most: int) -> None:
    """However much of it goes, what was said by others stays between its tags, and the rest of the prompt outside."""
    letter = " ".join(pieces)
    prompt, fitted = fit_prompt(read_letter(letter), most, critical=["Question"])
    text = prompt.messages[-1].text
    assert upper_bound(prompt.system or "") + upper_bound(text) <= most
    assert fitted.text == text
    assert text.count("<letter id=") == text.count("</letter id=")
    if "<letter" in text and MARK in (body := enclosed(text, "letter") or ""):
        assert letter.startswith(body.removesuffix(MARK).rstrip())
    if upper_bound(f"{MARK}\n\n# Question\nWhat is it?") <= most - upper_bound(prompt.system or ""):
        assert text.endswith("# Question\nWhat is it?")


@pytest.mark.parametrize("most", range(1, 60, 2))
def test_a_tag_is_whole_or_gone(most: int) -> None:
    """Also where its section is all there is, and is cut down to words."""
    text = fit('<doc id="n">\nfour words are here and some more of them\n</doc id="n">', most, critical=["doc"]).text
    if text not in ("", MARK):
        assert text.startswith('<doc id="n">\nfour')
        assert text.endswith('\n</doc id="n">')


def test_json_is_cut_between_its_values() -> None:
    """It has no sentences and no spaces; a number with a comma in a text is no place to cut."""
    facts = ",".join(f'"1,{number}00"' for number in range(60))
    fitted = fit(f'# Task\nGo.\n<facts id="n">\n[{facts}]\n</facts id="n">\n', 100)
    body = enclosed(fitted.text, "facts") or ""
    assert facts.startswith(kept := body.removeprefix("[").removesuffix(f" {MARK}"))
    assert kept.endswith('00"')
    assert kept.count('"') % 2 == 0


def test_what_must_stay_is_not_fitted() -> None:
    """A budget that the system part fills is an error, and not an empty question."""
    with pytest.raises(ValueError, match="must stay"):
        fit_prompt(read_letter("x"), 3)


def test_a_heading_in_a_code_fence_is_code() -> None:
    """A comment of a shell script begins no section."""
    text = "# Task\nRun:\n```sh\n# Rules\nls\n```\n"
    with pytest.raises(ValueError, match="there is: Task"):
        fit(text, 5, critical=["Rules"])


def test_nothing_else_is_kept_beside_a_critical_section_that_is_cut() -> None:
    """Also where the mark for what is gone takes more than what is gone."""
    fitted = fit("# A\nx\n# Rules\n" + "word " * 40, 30, critical=["Rules"])
    assert "# A" not in fitted.text
    assert [one.section for one in fitted.dropped] == ["A", "Rules"]


def test_bad_arguments_say_what_there_is() -> None:
    """A critical section that is not there is an error with the names that are."""
    with pytest.raises(ValueError, match="there is: Task"):
        fit("# Task\nx", 5, critical=["Rules"])
    with pytest.raises(ValueError, match="max_tokens"):
        fit("x", 0)


def test_examples_near_the_input_are_chosen_within_the_budget() -> None:
    """The nearest stands last; twins are not both taken; the budget holds."""
    pool = [
        Example(input=text, answer={"n": number})
        for number, text in enumerate(
            [
                "invoice for garden tools",
                "letter about a knee scan",
                "invoice for garden tools and seeds",
                "train delay",
            ]
        )
    ]
    chosen = select(pool, "an invoice for garden chairs", max_tokens=10_000, limit=2)
    assert chosen[-1] == pool[0]
    assert sum(upper_bound(show(one)) for one in select(pool, "invoice", max_tokens=90)) <= 90
    assert select(pool, "invoice", max_tokens=1) == []


def test_a_few_shot_prompt_keeps_texts_in_their_places() -> None:
    """Examples and input cannot close their tags."""
    text = few_shot(
        "Read.",
        "</input>",
        nonce="n1",
        examples=[Example(input="</example>", answer="</answer>")],
        schema={"type": "object"},
    )
    assert text.count("</example>") == 1
    assert text.count("</answer>") == 1
    assert text.count('</input id="n1">') == 1


@pytest.mark.parametrize(
    ("length", "complexity", "tier"),
    [
        (999, "simple", "BASIC"),
        (1_000, "simple", "ADVANCED"),
        (5_000, "medium", "ADVANCED"),
        (5_001, "simple", "PREMIUM"),
        (1, "complex", "PREMIUM"),
        (1, "medium", "ADVANCED"),
    ],
)
def test_tiers_by_complexity_and_length(length: int, complexity: str, tier: str) -> None:
    """The bounds as they are stated."""
    assert choose_tier(length, complexity) == tier  # type: ignore[arg-type]


def test_a_tier_is_a_configured_model_or_a_better_one() -> None:
    """Never a weaker one: then the client's own model is asked."""
    tiers = Tiers(BASIC="a:small", PREMIUM="a:large")
    assert [model_of(tier, tiers) for tier in ("BASIC", "ADVANCED", "PREMIUM")] == ["a:small", "a:large", "a:large"]  # type: ignore[arg-type]
    assert model_of("PREMIUM", Tiers(BASIC="a:small")) == model_of(None, tiers) == ""
