"""TeX whose backslashes JSON takes for escapes: only the caller can say that it is TeX."""

from __future__ import annotations

import pytest

from backstay.recover import Status, Stream, align, parse


def test_valid_json_is_read_as_json_unless_the_caller_says_tex() -> None:
    """A form feed stays a form feed by default, and is a command on request, noted at its place."""
    text = r'{"a": "\frac{1}{2}"}'
    assert parse(text).value == {"a": "\x0crac{1}{2}"}
    found = parse(text, latex=True)
    assert (found.value, found.status) == ({"a": r"\frac{1}{2}"}, Status.RECOVERED)
    assert [(repair.code, repair.offset) for repair in found.repairs] == [("tex_command", 7)]


@pytest.mark.parametrize("command", [r"\beta", r"\times", r"\nabla", r"\rho", r"\text{a}", r"\forall x", r"\to"])
def test_commands_that_begin_like_an_escape_keep_their_backslash(command: str) -> None:
    """One of each escape letter, in a string that is whole and in one that is damaged."""
    assert parse(f'["{command}"]', latex=True).value == [command]
    assert parse(f"['{command}',]", latex=True).value == [command]


def test_newlines_tabs_and_doubled_backslashes_stay_what_they_are() -> None:
    """What is no command is read as JSON, and a text without commands keeps its status."""
    text = r'["one\ntwo\tthree \\theta \"x\""]'
    assert parse(text, latex=True) == parse(text)
    assert parse(text, latex=True).status is Status.SUCCESS


def test_offsets_are_those_of_the_text_as_it_came() -> None:
    """A repair behind a command stands where the caller sees it."""
    text = r'{"a": "\frac", "b": 1,}'
    comma = next(repair for repair in parse(text, latex=True).repairs if repair.code == "trailing_comma")
    assert text[comma.offset - 1 : comma.offset + 1] == ",}"


def test_align_and_stream_take_the_option_too() -> None:
    """The same reading, fitted to a schema or arriving in pieces."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    fitted = align(r'{"a": "\frac"}', schema, latex=True)
    assert (fitted.value, fitted.status) == ({"a": r"\frac"}, Status.RECOVERED)
    stream = Stream(latex=True)
    for piece in (r'{"a": "\f', "rac", '"}'):
        stream.feed(piece)
    assert stream.finish() == parse(r'{"a": "\frac"}', latex=True)


def test_strict_and_latex_exclude_each_other() -> None:
    """Asking for both is a programming mistake."""
    with pytest.raises(ValueError, match="latex"):
        parse("{}", strict=True, latex=True)
