"""Token counts without a tokenizer: the bound bounds, the parts all count, and what was learned is used."""

from __future__ import annotations

import base64
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.tokens import PER_IMAGE, TOOL_PREAMBLE, Learned, estimate_request, likely, likely_input, upper_bound
from backstay.types import (
    File,
    Image,
    Metadata,
    Reasoning,
    Request,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Unknown,
    assistant,
    tool,
    user,
)

pytestmark = pytest.mark.slow

DRAW = random.Random(7)
SAMPLES = {
    "prose": "The committee declined the request, because the certificate had expired in the meantime. " * 40,
    "german": "Die Kostenübernahme für die Rehabilitationsmaßnahme wurde abgelehnt; Widerspruch ist möglich. " * 40,
    "russian": "Комиссия отклонила заявление, потому что срок действия справки истёк. " * 40,
    "chinese": "委员会拒绝了该申请，因为证书已经过期。" * 40,
    "thai": "คณะกรรมการปฏิเสธคำขอเนื่องจากใบรับรองหมดอายุ" * 40,
    "code": "def getHTTPStatus(self, x: int) -> str:\n        return f'{self.table[x]!r}'  # noqa\n\n" * 40,
    "json": '{"id": "a1b2-77", "total": 1234.50, "items": [{"code": "97110", "units": 3}]}\n' * 40,
    "base64": base64.b64encode(DRAW.randbytes(3_000)).decode(),
    "digits": "".join(DRAW.choice(string.digits) for _ in range(3_000)),
    "table": "".join(f"{n}\t\t{n * 7 % 101}   \t{n * 31 % 97}\n" for n in range(300)),
    "capitals": "NOTICE OF DENIAL: THE PLAN DOES NOT COVER THIS SERVICE. " * 40,
    "emoji": "👩‍👩‍👧‍👦🇩🇪🎉" * 60,
    "gaps": "  a" * 500 + " \t" * 500 + "\r\n" * 200,
}


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_bound_is_above_a_real_tokenizer(name: str) -> None:
    """Against the byte-level vocabularies of a tokenizer package, where one is installed."""
    splintr = pytest.importorskip("splintr", reason="no tokenizer package is installed")
    for vocabulary in ("cl100k_base", "o200k_base", "llama3", "deepseek_v3", "mistral_v3"):
        tokenizer = splintr.Tokenizer.from_pretrained(vocabulary)
        assert len(tokenizer.encode_ordinary(SAMPLES[name])) <= upper_bound(SAMPLES[name]), vocabulary


KNOWN = {
    "prose": 601,
    "german": 1041,
    "russian": 1321,
    "chinese": 920,
    "thai": 1640,
    "code": 1160,
    "json": 1800,
    "base64": 3028,
    "digits": 3000,
    "table": 3432,
    "capitals": 721,
    "emoji": 1860,
    "gaps": 1901,
}
"""The most tokens that one of those five vocabularies makes of a sample, written down on 21 November 2026."""


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_the_bound_is_above_the_known_count_and_within_reach(name: str) -> None:
    """Above the truth, and below five times it: a bound of one token per byte would fail this."""
    assert KNOWN[name] <= upper_bound(SAMPLES[name]) < 5 * KNOWN[name]


@given(st.text())
def test_no_text_has_more_tokens_than_bytes(text: str) -> None:
    """The bound lies between nothing and one token a byte; only the empty text has none."""
    assert (0 if not text else 1) <= upper_bound(text) <= len(text.encode("utf-8", "surrogatepass"))


@given(st.text(), st.text())
def test_a_longer_text_has_no_smaller_bound(left: str, right: str) -> None:
    """Adding text adds tokens, but for the few that a rounding may save."""
    assert upper_bound(left + right) >= max(upper_bound(left), upper_bound(right)) - 1


@given(st.text(alphabet=string.ascii_letters + " .,\n", min_size=1))
def test_the_likely_count_is_a_quarter_of_the_bytes(text: str) -> None:
    """In ASCII; and it is never zero for some text."""
    assert likely(text) == -(-len(text) // 4)


BASE = Request(messages=(user("Hello"),))


@pytest.mark.parametrize(
    "grown",
    [
        Request(messages=(user("Hello"), user("More to say"))),
        Request(messages=BASE.messages, system="Be brief."),
        Request(messages=BASE.messages, system=(Text(text="Be brief."),)),
        Request(messages=(user("Hello", File(data=b"x" * 999, media_type="application/pdf")),)),
        Request(messages=(user("Hello", File(text="a text")),)),
        Request(messages=(*BASE.messages, assistant(Reasoning(text="I think so", encrypted="0f" * 50)))),
        Request(messages=(*BASE.messages, assistant(ToolCall(id="1", name="look", arguments={"where": "there"})))),
        Request(messages=(*BASE.messages, assistant(ToolCall(id="1", name="look", raw_arguments="{broken")))),
        Request(messages=(*BASE.messages, tool(ToolResult(call_id="1", content="found it")))),
        Request(messages=(*BASE.messages, tool(ToolResult(call_id="1", content=(Text(text="found it"),))))),
        Request(messages=(*BASE.messages, assistant(Unknown(dialect="x", data={"a": "b"})))),
        Request(messages=BASE.messages, response_format=ResponseFormat(schema={"type": "object"})),
    ],
)
def test_every_part_counts(grown: Request) -> None:
    """Whatever is sent adds to the estimate."""
    assert estimate_request(grown) > estimate_request(BASE)


def test_what_is_not_sent_does_not_count() -> None:
    """Metadata stays here."""
    assert estimate_request(Request(messages=BASE.messages, metadata=Metadata(task="x" * 500))) == estimate_request(
        BASE
    )


def test_tools_and_pictures_have_stated_ceilings() -> None:
    """The hidden preamble of tools, and the largest picture."""
    with_tool = Request(messages=BASE.messages, tools=(Tool(name="look"),))
    assert estimate_request(with_tool) - estimate_request(BASE) > TOOL_PREAMBLE
    with_image = Request(messages=(user("Hello", Image(url="https://example.org/a.png")),))
    assert estimate_request(with_image) - estimate_request(BASE) == PER_IMAGE


def test_an_own_counter_is_asked_for_every_text() -> None:
    """A tokenizer replaces the rule; framing and ceilings stay."""
    asked: list[str] = []

    def counter(text: str) -> int:
        asked.append(text)
        return len(text.split())

    assert estimate_request(BASE, counter) < estimate_request(BASE)
    assert "Hello" in asked


def test_the_likely_input_is_that_of_the_texts() -> None:
    """System prompt and messages, without framing."""
    assert likely_input(Request(messages=(user("12345678"),), system="1234")) == 3


def test_before_an_answer_the_bound_is_expected() -> None:
    """Nothing is assumed that was not seen."""
    assert Learned().expected(1_000) == 1_000


@given(st.lists(st.tuples(st.integers(1, 10**6), st.floats(0.2, 1.0)), min_size=1, max_size=30), st.integers(0, 10**7))
def test_what_is_expected_never_passes_the_bound(answers: list[tuple[int, float]], bound: int) -> None:
    """The expected count follows the ratios seen, between their least and their greatest."""
    state = Learned()
    for size, share in answers:
        state = state.learn(size, int(size * share))
    assert state.expected(bound) <= bound
    lowest = min(int(size * share) / size for size, share in answers)
    assert state.expected(bound) >= int(bound * lowest * 0.99) - 1


def test_old_answers_fade() -> None:
    """A model that counts otherwise from now on is followed."""
    state = Learned()
    for _ in range(300):
        state = state.learn(10_000, 9_000)
    for _ in range(600):
        state = state.learn(10_000, 3_000)
    assert 3_000 <= state.expected(10_000) < 3_600


def test_a_senseless_answer_teaches_nothing() -> None:
    """No estimate, or a negative count."""
    assert Learned().learn(0, 5) == Learned().learn(5, -1) == Learned()
