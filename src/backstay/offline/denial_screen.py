"""What of a letter is read at all: the text with every passage blanked that is not the plan speaking to the member.

A letter is data. Nothing in it is obeyed, so an instruction to a machine can do harm only by posing as a fact. Three kinds of
passage are blanked before any rule looks: invisible text, sentences that address software or hide things from people, and one
or two stray lines after the letter's close. Every replacement keeps the length, so a place in the screened text is the same
place in the source; each blanked passage is reported as a warning.
"""

from __future__ import annotations

import re

import msgspec

# Invisible characters: zero-width space and joiners, soft hyphen, bidi controls, word joiner, byte-order mark, tag characters.
INVISIBLE = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f"
_HIDDEN_RUN = re.compile(rf"(?<!\S)[^\s{INVISIBLE}]*(?:[{INVISIBLE}][^\s{INVISIBLE}]*){{3,}}")
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_DECORATION = re.compile(r"[*_]{2,3}|(?m:^[ ]*(?:#{1,6}|>|[-*•▪●·])(?=[ ]))|\.{4,}|(?:\. ){4,}|_{4,}|(?m:[ ]*\\$)|`")
_SAME_WIDTH = str.maketrans(
    {"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\r": " ", "\v": " "}
    | {"–": "-", "—": "-", "‑": "-", "−": "-", "’": "'", "‘": "'", "“": '"', "”": '"', "：": ":"}
    | {"|": "\t", "│": "\t", "┃": "\t", "║": "\t"}
)

# Words of labels as a scan misreads them: `Mernber lD`, `Date 0f`, `C1aim`.
_LABEL_WORDS = re.findall(
    r"\w+",
    """
    of id member subscriber enrollee number claim date notice service group policy provider procedure code denial denied letter
    patient appeal insurance insured issued billed plan deadline decision diagnosis identification authorization prior within
    days january february april june july august october november
    """,
)
_LOOKS = {"i": "[iIl1|]", "l": "[lI1|]", "o": "[oO0]", "m": "(?:[mM]|rn)"}
_MISREAD = {word: "".join(_LOOKS.get(char, f"[{char}{char.upper()}]") for char in word) for word in _LABEL_WORDS}
# A table that was saved as text with marks between its cells: `Claim identifier;OC-1`.
_PAIR = re.compile(r"(?m)^([A-Z][A-Za-z /#]{2,40})[;,](?=\S)")
_FEWEST_PAIRS = 4
_MISREAD_WORD = re.compile(
    "(?<![\\w-])(?:" + "|".join(f"(?P<{word}>{form})" for word, form in _MISREAD.items()) + ")(?![\\w-])"
)

_LONG_WORD = re.compile(r"\S{200,}")
_LONG_LINE = re.compile(r"[^\n]{1500}[^\n \t]*[ \t]")

_RULES = r"(?:instruction|rule|prompt|guideline|directive|command|constraint|safeguard|polic(?:y|ies) above)s?"
_VERBS = r"(?:ignore|disregard|forget|override|bypass|discard|overrule|skip)"
_MACHINE = (
    r"automated (?:system|process|agent|tool|reader|software)s?|AI (?:system|model|assistant|agent|tool)s?|"
    r"(?:large )?language models?|LLMs?|chat ?bots?|(?:system|developer) (?:prompt|message|note)|"
    r"(?:your|new|updated) instructions"
)
# A name as programs write it (`deadline.due_on`, `is_verified`); a website is none.
_FIELD = (
    r"(?!www)[a-z]+(?:_[a-z]+)*\.(?!(?:com|org|net|gov|edu|example)\b)[a-z]+(?:_[a-z]+)*\b(?![.@])|[a-z]+_[a-z_]+|"
    r"every field|all fields|(?:any|each|this) field"
)
_ROLE = r"(?:system|assistant|user|developer|admin|human|tool)"
_CLOSING = r"(?:clos|cancel|withdraw|drop|abandon|terminat|delet|archiv|suppress)\w*"
_TELL = r"(?:notify|inform|tell|alert|escalate|mention|disclose|flag)"
_INSTRUCTIONS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("instruction", re.compile(rf"\b{_VERBS}\b[^.\n]{{0,50}}\b{_RULES}\b", re.I)),
    ("instruction", re.compile(rf"\b(?:{_MACHINE})\b", re.I)),
    ("role", re.compile(rf"[<\[]/?{_ROLE}[\]>]", re.I)),
    ("role", re.compile(rf"(?:(?m:^)|(?<=[.!?])[ ]+)[ ]*[<\[({{]*/?{_ROLE}[\])}}>]*[ ]*[:>]", re.I)),
    (
        "ledger",
        re.compile(
            rf"\b(?i:set|mark|record|log|store|update|change|write|treat|flag|add)\b[^.\n]{{0,30}}\b(?:{_FIELD})"
        ),
    ),
    (
        "ledger",
        re.compile(
            r"\b(?:mark|record|treat|log|flag)\b[^.\n]{0,40}\bas (?:approved|covered|paid|verified|closed)", re.I
        ),
    ),
    ("file", re.compile(rf"\b{_CLOSING} (?:the|this|that) (?:appeal|file|case)\b", re.I)),
    ("file", re.compile(rf"\b(?:appeal|case|file) (?:has been|was|is|must be|should be) {_CLOSING}", re.I)),
    ("suppression", re.compile(rf"(?<!you )(?<!we )(?<!they )(?<!who )\bdo not {_TELL}\b", re.I)),
    ("suppression", re.compile(r"\bwithout (?:informing|notifying|telling|alerting|involving)\b", re.I)),
    ("suppression", re.compile(rf"\bno need to {_TELL}\b", re.I)),
)

_SIGN_OFF = re.compile(
    r"(?mi:^[ ]*(?:sincerely|respectfully|(?:kind |best |warm )?regards|(?:very truly )?yours(?: truly)?)\b)"
)
_CLOSE = re.compile(
    r"(?mi:^[^\n]*(?:if you have (?:any )?(?:further )?questions|(?:on|of) your (?:member )?id card|please (?:call|contact)|"
    r"questions\?|independent review organization|contact (?:member|customer) services?|enclosures?\b|^[ ]*cc:)[^\n]*$)"
)

# After the words of parting: the rest of their line, room for a hand, and the lines of the name.
_SIGNATURE = re.compile(r"[^\n]*(?:\n[ ]*)*(?:\n?[ ]*\S[^\n]*){0,5}")
_AFTERWORD_LINES = 2
_AFTERWORD_CHARACTERS = 400
_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n|\f")


class Screened(msgspec.Struct, frozen=True):
    """The readable text, as long as the source, what was blanked, and where a blanked afterword begins."""

    text: str
    warnings: tuple[str, ...]
    afterword: int | None = None


def screen(source: str, *, keep_afterword: bool = False) -> Screened:
    """The source with decoration, invisible text, machine-directed sentences and stray closing lines blanked, same length."""
    text, warnings = _blank_hidden(_bound_lines(source.translate(_SAME_WIDTH)))
    text = _MISREAD_WORD.sub(_as_meant, text)
    if len(_PAIR.findall(text)) >= _FEWEST_PAIRS:
        text = _PAIR.sub("\\1\t", text)
    text = _DECORATION.sub(lambda match: " " * len(match.group()), text)
    text, found = _blank_instructions(text)
    warnings += found
    afterword = _afterword(text)
    if afterword is not None and not keep_afterword:
        text = _blank(text, afterword, len(text))
        warnings.append(f"text after the letter's close at {afterword}: not read")
    return Screened(text, tuple(warnings), afterword)


def _as_meant(match: re.Match[str]) -> str:
    """A misread label word as it was meant, of the same length."""
    printed, word = match.group(), str(match.lastgroup)
    if printed.casefold() == word:
        return printed
    if printed[-1].isupper():
        word = word.upper()
    elif printed[0].isupper() or word[0] == "i":
        word = word.capitalize()
    return word.ljust(len(printed))


def _blank(text: str, start: int, end: int) -> str:
    return text[:start] + re.sub(r"[^\n\f]", " ", text[start:end]) + text[end:]


def _bound_lines(text: str) -> str:
    """The text with overlong words blanked and overlong lines broken at a blank: what keeps every rule's work linear."""
    text = _LONG_WORD.sub(lambda match: " " * len(match.group()), text)
    return _LONG_LINE.sub(lambda match: match.group()[:-1] + "\n", text)


def _blank_hidden(text: str) -> tuple[str, list[str]]:
    warnings = []
    for match in _HIDDEN_RUN.finditer(text):
        warnings.append(f"hidden_text at {match.start()}: not read")
        text = _blank(text, *match.span())
    return _INVISIBLE.sub(" ", text), warnings


def _sentence(text: str, at: int) -> tuple[int, int]:
    """The span of the sentence (at most a line) around a place."""
    start = 0
    for match in _SENTENCE_END.finditer(text, max(0, at - 1000), at):
        start = match.end()
    end = _SENTENCE_END.search(text, at)
    return start, end.end() if end else len(text)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at - 1)
    return end if end >= 0 else len(text)


def _blank_instructions(text: str) -> tuple[str, list[str]]:
    spans: dict[tuple[int, int], str] = {}
    for kind, pattern in _INSTRUCTIONS:
        for match in pattern.finditer(text):
            start, end = _sentence(text, match.end() - 1)
            if ":" in text[start : match.start()]:
                start = match.start()
            if kind == "role":
                start, end = match.start(), _line_end(text, end)
            spans.setdefault((start, end), kind)
    warnings = [f"{kind}_pattern at {start}: not read" for (start, _), kind in sorted(spans.items())]
    for start, end in spans:
        text = _blank(text, start, end)
    return text, warnings


def _afterword(text: str) -> int | None:
    """Where one or two short lines after the close begin: a fact that first appears there is not the plan's statement of it."""
    close = _close(text)
    if close is None:
        return None
    lines = [line for line in text[close:].splitlines() if line.strip()]
    is_afterword = 0 < len(lines) <= _AFTERWORD_LINES and len(text[close:].strip()) <= _AFTERWORD_CHARACTERS
    return close if is_afterword else None


def _close(text: str) -> int | None:
    """Where the letter ends: after the last closing sentence, or after the block that a sign-off opens."""
    ends = [match.end() for match in _CLOSE.finditer(text)]
    for match in _SIGN_OFF.finditer(text):
        signature = _SIGNATURE.match(text, match.end())
        ends.append(signature.end() if signature else match.end())
    return max(ends, default=None)
