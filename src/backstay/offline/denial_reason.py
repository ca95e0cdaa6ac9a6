"""Why a claim was denied, in the letter's own words, and how it says to appeal.

The statement is the sentence that denies; the reason is its because-clause, or the paragraph under a heading that promises a
reason. Everything is quoted from the source; only the summary is worded here, from the kinds of `denial_kind`.
"""

from __future__ import annotations

import re

from backstay.offline.denial_kind import find_kind, name_kinds
from backstay.offline.denial_layout import SENTENCE_MARK, Letter, Reading, absent
from backstay.offline.finding import Finding

_DENY = (
    r"(?:den(?:y|ying|ied|ies|ial)|not (?:been )?(?:approved?|authorized|certified|covered|payable)|"
    r"(?:cannot|unable to|will not|won't|did not|can't|not able to) (?:approve|authorize|cover|pay|certify)|"
    r"adverse (?:benefit )?determination|non-?covered|disallowed|not eligible for (?:payment|coverage|benefits)|"
    r"not medically necessary|rejected|partially approved|declined)"
)
_DENIES = re.compile(rf"\b{_DENY}\b", re.I)
_BECAUSE = re.compile(
    r"\b(?:because(?: of)?:?|(?:as|since) (?=the|your|it|there|this|no)|due to(?: the fact that)?|"
    r"for the following reasons?(?:\(s\))?:?|"
    r"on the (?:grounds|basis) that|the reason (?:is|for (?:this|our|the) (?:denial|decision|determination) is)(?: that)?:?)\s+",
    re.I,
)
_SOURCE_CLAUSE = re.compile(
    r"(?:,\s+(?:under|pursuant to|in accordance with|as (?:stated|described|outlined|set forth|defined) in|per|according to|"
    r"based on)\b|\s+(?:under|pursuant to|per|as defined in|as stated in) "
    r"(?:section|exclusion|article|clinical policy|medical policy|the terms))[^\n]{0,160}$",
    re.I,
)
_DECISION = r"(?:denial|decision|determination|adverse determination|non-?coverage|action)"
_HEADING = re.compile(
    r"(?mi:^[ ]*(?:(?:the )?(?:specific )?(?:reasons?|basis|rationale|explanation)(?: reason)?"
    rf"(?: (?:for|of) (?:the |our |this |your )?{_DECISION}|\(s\))?|denial reasons?|remarks?|"
    r"(?:why )?(?:did we deny|was|we denied|is|are we)[^:\n]{0,60}|(?:clinical|determination|denial) rationale|why|"
    r"reason/explanation|reason code description)[ ]*[:?][ ]*)"
    r"|(?mi:^[ ]*(?:(?:denial )?reasons?(?: for (?:the )?denial)?|explanation|why|basis|rationale)(?:[ ]{2,}|\t))"
    r"|(?mi:^[ ]*(?:(?:specific )?reasons? for (?:the |our |this )?(?:denial|decision|determination)|why|"
    r"basis for (?:the |our )?(?:denial|decision)|(?:clinical|denial) rationale)[ ]*\n)"
)
_EXPLICIT = re.compile(
    rf"\bthe (?:main |only )?reason for (?:this|our|the) {_DECISION} is(?: that)?:?\s+(?=[a-z])", re.I
)
_FIRST = re.compile(r"(?:\bFirst(?:ly)?,|\(1\))\s+")
_SECOND = re.compile(r"(?:\bSecond(?:ly)?,|\(2\))\s+")
_LACKS = re.compile(r"\b(?:not|no|no longer|lacks?|without|requires?|missing|absent|must|only|could|exceeds?)\b", re.I)
_SENTENCE_STOP = re.compile(rf"{SENTENCE_MARK}[.!?][\"')]*(?=\s+[\"'(]?[A-Z]|\s*$)|\n[ \t]*\n|\f")
_PREDICATE = re.compile(
    r"\b(?:is|are|was|were|has|have|had|been|cannot|will|did|does|may|lacks?|requires?|exceeds?|denies|"
    r"asks for|wants|needs|applies|excludes?)\b|"
    r"\b(?:we|plan|company|insurance|health|hmo|trust|fund) (?:\w+ )?(?:denied|rejected)\b",
    re.I,
)
_NOT_STATEMENT = re.compile(r"(?:if|you (?:may|have)|to appeal)\b", re.I)
_SOURCE = (
    r"(?:Section|Sec\.|Article|Exclusion|Clinical (?:Policy|Guideline)(?: Bulletin)?|(?:Medical|Coverage|Payment|Reimbursement) "
    r"Policy|Policy Bulletin|Benefit Exclusion|Local Coverage Determination|LCD|NCD)"
)
_POLICY_SECTION = re.compile(
    rf"\b{_SOURCE}(?: No\.?| Number| #)?:? ?(?P<id>[A-Z]{{0,5}}[-.]?\d[\w.-]*(?:\([a-z0-9]+\))*)(?<![.,])"
)
_APPEAL_WORD = re.compile(r"\bappeal|reconsideration|redetermination", re.I)
_APPEAL_STEPS = re.compile(
    r"\byou (?:may|can|must)\b|\byou have (?:\d|until|the right)|\b(?:may|must) (?:file|request|ask|send|submit)\b|"
    r"^\s*to (?:file |request )?(?:an )?appeal|\bhow to (?:file|appeal)|\byour (?:internal )?appeal must|"
    r"\b(?:send|mail|submit) your",
    re.I,
)
_APPEAL_RIGHT = re.compile(
    r"\byour right|\bif you (?:disagree|do not agree|don't agree|think)|\bappeals? (?:must|should)", re.I
)
_APPEAL_STEP = re.compile(
    r"\bappeal|reconsideration|redetermination|\breview\b|\b(?:send|submit|mail|fax|include|attach|write)\b", re.I
)
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n|\f|\n(?=[^\n:]{2,40}:)")
_LABEL_BEFORE = re.compile(r"\s*[A-Z][A-Za-z\d/ ]{2,40}:\s+(?=[A-Z])")
_UNWRAPPED = re.compile(r"\t|\S {2,}\S|:\s*\S|:$|\$.*\$")
_TITLE_LINE = re.compile(r"[^\n.:;,?!]{3,45}\n\s*(?=[A-Z])")
_MIN_WRAPPED = 40
_MAX_REASON = 700
_SECTION_REACH = 1200


def read_reason(letter: Letter) -> Reading:
    """Reason, its kinds, the denying statement, the plan section it cites and the appeal instructions."""
    statement = _statement(letter)
    reason = _reason(letter, statement)
    return Reading(
        {
            "denial_reason": reason,
            "denial_reason_summary": _summary(letter, reason, statement),
            "policy_section": _policy_section(letter, reason, statement),
            "raw_text_snippets.denial_statement": statement,
            "raw_text_snippets.appeal_instructions": _appeal(letter),
        }
    )


def _sentences(letter: Letter) -> list[tuple[int, int]]:
    spans, begin = [], 0
    for match in _SENTENCE_STOP.finditer(letter.text):
        if letter.text[begin : match.start()].strip():
            spans.append((begin, match.end()))
        begin = match.end()
    return [*spans, (begin, len(letter.text))] if letter.text[begin:].strip() else spans


def _statement(letter: Letter) -> Finding:
    """The first sentence that denies and says why; else the first that denies."""
    best: tuple[int, int, int] | None = None
    for begin, end in _sentences(letter):
        denies = _DENIES.search(letter.text, begin, end)
        if denies is None or letter.text[begin:end].rstrip().endswith("?"):
            continue
        start, end = _body(letter, begin, denies.start()), _prose_end(letter, denies.end(), end)
        sentence = " ".join(letter.text[start:end].split())
        if not _PREDICATE.search(sentence) or _NOT_STATEMENT.match(sentence):
            continue
        score = 2 if _BECAUSE.search(sentence) else 1
        if best is None or score > best[0]:
            best = (score, start, end)
    if best is None:
        return absent("no sentence of the letter denies")
    return letter.quote(best[1], best[2], 0.9 if best[0] == 2 else 0.8, "denying sentence")


def _body(letter: Letter, start: int, place: int) -> int:
    """The start of the prose around a place: its line, the wrapped lines before it, without rows, headings and a label."""
    begin = max(start, letter.text.rfind("\n", 0, place) + 1)
    while begin > start:
        above = max(start, letter.text.rfind("\n", 0, begin - 1) + 1)
        line = letter.text[above : begin - 1].strip()
        if len(line) < _MIN_WRAPPED or _UNWRAPPED.search(line):
            break
        begin = above
    label = _LABEL_BEFORE.match(letter.text, begin, place)
    return label.end() if label else begin


def _prose_end(letter: Letter, place: int, end: int) -> int:
    """The end of a sentence before the first labelled or tabular row that follows on it without a full stop."""
    for match in re.finditer(r"\n([^\n]+)", letter.text[place:end]):
        if _UNWRAPPED.search(match[1].strip()):
            return place + match.start()
    return end


def _reason(letter: Letter, statement: Finding) -> Finding:
    for heading in _HEADING.finditer(letter.text):
        found = _paragraph(letter, heading.end())
        if found is not None:
            return _clause(letter, *found) or letter.quote(*found, 0.9, "reason heading")
    if explicit := _explicit(letter):
        return explicit
    if statement.start is None or statement.end is None:
        return _kind_sentence(letter, 0) or absent("no reason is stated")
    return (
        _enumerated(letter, statement.start)
        or _clause(letter, statement.start, statement.end)
        or _announced(letter, statement)
        or _following(letter, statement)
        or _kind_sentence(letter, statement.end)
        or letter.quote(statement.start, statement.end, 0.75, "denying sentence")
    )


def _explicit(letter: Letter) -> Finding | None:
    """What follows "the reason for our decision is"."""
    match = _EXPLICIT.search(letter.text)
    if match is None:
        return None
    stop = _SENTENCE_STOP.search(letter.text, match.end())
    end = stop.start() if stop else len(letter.text)
    return (
        letter.quote(match.end(), end, 0.9, "stated reason")
        if len(letter.text[match.end() : end].split()) > 2
        else None
    )


def _enumerated(letter: Letter, place: int) -> Finding | None:
    """Reasons that the sentences around the denying one count: from "First" to the end of the second."""
    after = max(letter.text.rfind("\n\n", 0, place), 0)
    first = _FIRST.search(letter.text, after, after + _MAX_REASON)
    paragraph = letter.text.find("\n\n", place)
    stop = min(paragraph if paragraph >= 0 else len(letter.text), after + 2 * _MAX_REASON)
    if first is None or first.start() > stop:
        return None
    second = _SECOND.search(letter.text, first.end(), stop)
    if second is None:
        return None
    end = _SENTENCE_STOP.search(letter.text, second.end(), stop)
    return letter.quote(first.end(), end.start() if end else stop, 0.85, "counted reasons")


def _announced(letter: Letter, statement: Finding) -> Finding | None:
    """The paragraph after a denying sentence that ends in a colon."""
    if statement.end is None or not letter.text[: statement.end].endswith(":"):
        return None
    found = _paragraph(letter, statement.end)
    return None if found is None else letter.quote(*found, 0.8, "paragraph after the denying sentence")


def _following(letter: Letter, statement: Finding) -> Finding | None:
    """The sentence after a short denying one in its paragraph, where it says what is lacking."""
    assert statement.end is not None
    if find_kind(letter.text, statement.start or 0, statement.end) is not None:
        return None
    for start, end in _sentences(letter):
        if start >= statement.end - 1:
            begin, _ = letter.trim(start, end)
            body = letter.text[begin:end]
            if "\n\n" in letter.text[statement.end : begin] or not _LACKS.search(body) or _APPEAL_WORD.search(body):
                return None
            stop = _prose_end(letter, start, end)
            is_empty = not letter.text[start:stop].strip()
            return None if is_empty else letter.quote(start, stop, 0.75, "sentence after the denying one")
    return None


def _kind_sentence(letter: Letter, after: int) -> Finding | None:
    """The first sentence after the denying one that speaks of a known kind of denial."""
    for start, end in _sentences(letter):
        place = find_kind(letter.text, start, end)
        if start < after or place is None:
            continue
        body = _body(letter, start, place)
        if _PREDICATE.search(letter.text, body, end) and not _APPEAL_WORD.search(letter.text, body, end):
            return letter.quote(body, end, 0.7, "sentence of a kind")
    return None


def _paragraph(letter: Letter, start: int) -> tuple[int, int] | None:
    """The paragraph from a place on, at most `_MAX_REASON` characters, cut at a sentence."""
    start += len(letter.text[start:]) - len(letter.text[start:].lstrip())
    stop = _PARAGRAPH_END.search(letter.text, start)
    end = stop.start() if stop else len(letter.text)
    if end - start > _MAX_REASON:
        ends = [match.end() for match in _SENTENCE_STOP.finditer(letter.text, start, start + _MAX_REASON)]
        end = ends[-1] if ends else start + _MAX_REASON
    return (start, end) if len(re.findall(r"[A-Za-z]{3,}", letter.text[start:end])) >= 2 else None


def _clause(letter: Letter, start: int, end: int) -> Finding | None:
    """The because-clause of the denying sentence within a span, without the plan section it cites."""
    text = letter.text[start:end]
    for match in _BECAUSE.finditer(text):
        stop = _SENTENCE_STOP.search(text, match.end())
        clause_end = stop.start() if stop else len(text.rstrip().rstrip("."))
        sentence_start = max((m.end() for m in _SENTENCE_STOP.finditer(text, 0, match.start())), default=0)
        if not match.group().lower().startswith("the reason") and not _DENIES.search(
            text, sentence_start, match.start()
        ):
            continue
        if not text[match.end() : clause_end].strip():
            found = _paragraph(letter, start + match.end())
            return None if found is None else letter.quote(*found, 0.8, "paragraph after the denying sentence")
        cited = _SOURCE_CLAUSE.search(text[match.end() : clause_end])
        stop_at = match.end() + cited.start() if cited and cited.start() > 8 else clause_end
        return letter.quote(start + match.end(), start + stop_at, 0.93, "because clause")
    return None


def _summary(letter: Letter, reason: Finding, statement: Finding) -> Finding:
    both = Finding(
        value=f"{statement.value} {reason.value}",
        confidence=0.85,
        start=statement.start,
        end=statement.end,
        rule="both",
    )
    is_part = reason.value is not None and str(reason.value) in str(statement.value)
    for found in (both,) if is_part else (reason, statement):
        if found.value is not None and (kinds := name_kinds(str(found.value))):
            value = "; ".join(kinds)
            return Finding(value=value, confidence=0.85, start=found.start, end=found.end, rule="kind of denial")
    around = None if reason.start is None else _paragraph(letter, reason.start)
    if around is not None and (kinds := name_kinds(letter.text[around[0] : around[1]])):
        return Finding(
            value="; ".join(kinds), confidence=0.7, start=around[0], end=around[1], rule="kind named in its paragraph"
        )
    return absent("the reason is of no known kind")


def _policy_section(letter: Letter, reason: Finding, statement: Finding) -> Finding:
    places = [found.start for found in (statement, reason) if found.start is not None]
    if places and (match := _POLICY_SECTION.search(letter.text, min(places), min(places) + _SECTION_REACH)):
        return letter.quote(*match.span(), 0.9, "cited section")
    return absent("no section of the plan is cited for the decision")


def _appeal(letter: Letter) -> Finding:
    """The paragraph that tells how to appeal: from the first sentence that does to the last of its block that speaks of it."""
    sentences = _sentences(letter)
    for starts in (_APPEAL_STEPS, _APPEAL_RIGHT):
        for rank, (start, end) in enumerate(sentences):
            appeal = _APPEAL_WORD.search(letter.text, start, end)
            if appeal and starts.search(letter.text[start:end]):
                last = _last_step(letter, [(appeal.end(), end), *sentences[rank + 1 :]])
                begin = _past_headings(letter, _body(letter, start, appeal.start()), end)
                return letter.quote(begin, last, 0.85, "appeal paragraph")
    return absent("the letter does not tell how to appeal")


def _past_headings(letter: Letter, start: int, end: int) -> int:
    """The start of a sentence after short lines without a full stop that stand over it."""
    while match := _TITLE_LINE.match(letter.text, start, end):
        start = match.end()
    return start


def _last_step(letter: Letter, sentences: list[tuple[int, int]]) -> int:
    """The end of the last sentence, in the block that the first begins, that speaks of appealing."""
    last = _prose_end(letter, *sentences[0])
    for start, end in sentences[1:]:
        if re.search(r"\n[ \t]*\n|\f", letter.text[last:start] + letter.text[max(0, start - 2) : start]):
            break
        if _APPEAL_STEP.search(letter.text, start, end):
            last = _prose_end(letter, start, end)
    return last
