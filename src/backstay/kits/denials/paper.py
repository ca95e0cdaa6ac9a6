"""Papers: a body in its envelope: sender, recipient, day, reference lines, signature, and what the reader must know.

A paper is data. `markdown.py`, `word.py` and `typeset.py` render it, and the grounding check reads its plain text: the same words
in every form.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, Literal, TypeAlias

import msgspec

from backstay.kits.denials.body import Body, Case, write_day

Form: TypeAlias = Literal["letter", "checklist", "script", "fax"]

TITLES: Final[dict[str, tuple[str, Form]]] = {
    "appeal_letter": ("Appeal of a denial", "letter"),
    "reconsideration_request": ("Request for reconsideration", "letter"),
    "clinician_letter": ("Letter of medical necessity", "letter"),
    "pa_checklist": ("Checklist: prior authorization", "checklist"),
    "resubmit_checklist": ("Checklist: corrected claim", "checklist"),
    "call_script": ("Call script", "script"),
    "fax_cover": ("Fax", "fax"),
}
UNKNOWN: Final = "Unknown"


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """A document before it has a file format. `references` are label and value."""

    name: str
    title: str
    form: Form
    sender: tuple[str, ...]
    recipient: tuple[str, ...]
    day: str
    references: tuple[tuple[str, str], ...]
    salutation: str
    sections: Body
    closing: tuple[str, ...]
    footer: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Every line of words in reading order."""
        yield self.title
        yield from (*self.sender, *self.recipient, self.day)
        yield from (f"{label}: {value}" for label, value in self.references)
        yield self.salutation
        for section in self.sections:
            yield from (section.heading, *section.paragraphs, *section.items)
        yield from (*self.closing, *self.footer)

    @property
    def text(self) -> str:
        """The plain text, which is what is checked."""
        return "\n".join(line for line in self.lines() if line)


def make_paper(name: str, body: Body, case: Case, *, footer: tuple[str, ...]) -> Paper:
    """The Paper `name` around `body`."""
    title, form = TITLES[name]
    is_letter = form == "letter"
    is_clinician = name == "clinician_letter"
    provider = case.get("service.provider_name") or ""
    clinician = provider if provider.startswith("Dr") else "[CLINICIAN]"
    signer = clinician if is_clinician else case.need("patient_name", "YOUR NAME")
    return Paper(
        name=name,
        title=title,
        form=form,
        sender=(signer, "[ADDRESS]", "[TELEPHONE]") if form in ("letter", "fax") else (),
        recipient=_recipient(case, is_fax=form == "fax") if form in ("letter", "fax") else (),
        day="[DATE]" if form in ("letter", "fax") else "",
        references=_fax_references(case) if form == "fax" else _references(case),
        salutation="To the appeals department:" if is_letter else "",
        sections=body,
        closing=("Sincerely,", "[SIGNATURE]", signer) if is_letter else (),
        footer=() if is_letter or form == "fax" else footer,
    )


def _recipient(case: Case, *, is_fax: bool) -> tuple[str, ...]:
    name = case.need("payer.name", "NAME OF THE HEALTH PLAN")
    if is_fax:
        return (f"To: {name}, appeals", f"Fax: {case.need('contact.fax', 'FAX NUMBER: ASK THE PLAN')}")
    address = case.get("contact.address")
    rest = tuple(line.strip() for line in address.split(",")) if address else ("[ADDRESS FOR APPEALS: ASK THE PLAN]",)
    kept = tuple(line for line in rest if line.casefold() != name.casefold())
    return (name, "Appeals", *_joined(kept))


def _joined(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Address lines with the city, the state and the ZIP code on one."""
    if len(lines) >= 3 and lines[-1][:2].isupper():
        return (*lines[:-2], f"{lines[-2]}, {lines[-1]}")
    return lines


def _references(case: Case) -> tuple[tuple[str, str], ...]:
    reasons = ", ".join(case.codes("CARC", "RARC", "internal"))
    rows = (
        ("Patient", case.get("patient_name")),
        ("Member ID", case.get("payer.member_id")),
        ("Group", case.get("payer.group_number")),
        ("Claim number", case.get("payer.claim_number")),
        ("Service", case.get("service.description")),
        ("Procedure codes", ", ".join(case.codes("CPT", "HCPCS")) or None),
        ("Date of service", write_day(case.get("dates.date_of_service"))),
        ("Provider", case.get("service.provider_name") or case.get("service.facility_name")),
        ("Date of the denial", write_day(case.get("dates.date_of_denial"))),
        ("Denial codes", reasons or None),
        ("Amount billed", _money(case.get("amounts.billed"))),
    )
    always = ("Patient", "Member ID", "Claim number", "Date of the denial")
    return tuple((label, value or UNKNOWN) for label, value in rows if value or label in always)


def _fax_references(case: Case) -> tuple[tuple[str, str], ...]:
    """What a clerk needs to file the pages, and nothing of the person's health."""
    return (
        ("Claim number", case.get("payer.claim_number") or UNKNOWN),
        ("Member ID", case.get("payer.member_id") or UNKNOWN),
        ("Date of the denial", write_day(case.get("dates.date_of_denial")) or UNKNOWN),
    )


def _money(amount: str | None) -> str | None:
    """An amount as a letter writes it: $1,875.00; another text as it is."""
    try:
        return None if amount is None else f"${Decimal(amount):,.2f}"
    except ArithmeticError:
        return amount
