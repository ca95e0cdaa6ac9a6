"""Bodies: what each document says, written by rules from the facts and the plan alone; what they lack is a place in brackets.

A body is a list of sections (a heading, paragraphs, items), the same shape that a model is asked for. The envelope around it
(sender, recipient, reference lines, signature) is `paper.py`'s and never a model's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from backstay.offline.denial_kind import name_kinds


class Section(msgspec.Struct, frozen=True):
    """A part of a body; a heading may be empty."""

    heading: str = ""
    paragraphs: tuple[str, ...] = ()
    items: tuple[str, ...] = ()


Body: TypeAlias = tuple[Section, ...]
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def write_day(day: object) -> str | None:
    """An ISO date as an American letter writes it: "March 2, 2026"; another text as it is."""
    if day is None:
        return None
    match = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])-(\d\d)", str(day))
    return f"{MONTHS[int(match[2]) - 1]} {int(match[3])}, {match[1]}" if match else str(day)


class Case:
    """Facts and plan as JSON data, read with words for what is missing."""

    def __init__(self, facts: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        self.facts = facts
        self.plan = plan

    def get(self, path: str) -> str | None:
        """The value at a dotted path as text."""
        here: Any = self.facts
        for name in path.split("."):
            here = here.get(name) if isinstance(here, Mapping) else None
        return None if here is None else str(here)

    def need(self, path: str, name: str) -> str:
        """The value, or `[NAME]` to be filled in."""
        return self.get(path) or f"[{name}]"

    def codes(self, *types: str) -> list[str]:
        """Codes of these types."""
        found = [
            one.get("code")
            for one in self.facts.get("denial_codes") or []
            if one.get("code_type") in types and one.get("code")
        ]
        return list(dict.fromkeys(str(code) for code in found))

    def day(self, path: str, name: str) -> str:
        """The date in words, or `[NAME]`."""
        return write_day(self.get(path)) or f"[{name}]"

    @property
    def service(self) -> str:
        """The service in words, with its procedure codes."""
        named = self.get("service.description")
        codes = ", ".join(self.codes("CPT", "HCPCS"))
        if named is None:
            return f"the service with procedure code {codes}" if codes else "the service"
        return f"{named} (procedure code {codes})" if codes else named

    @property
    def reason(self) -> str:
        """The stated reason, quoted."""
        reason = self.words
        return (
            f'The reason that you gave is: "{reason}."' if reason else "The letter gives no reason that I could find."
        )

    @property
    def words(self) -> str:
        """The stated reason on one line without its full stop."""
        return " ".join((self.get("denial_reason") or "").split()).rstrip(".")

    @property
    def kinds(self) -> list[str]:
        """The kinds of denial that the reason names."""
        return name_kinds(self.get("denial_reason") or self.get("raw_text_snippets.denial_statement") or "")

    @property
    def deadline(self) -> str | None:
        """The appeal deadline of the plan."""
        return write_day((self.plan.get("timeline") or {}).get("appeal_deadline"))

    def cited(self) -> tuple[str, ...]:
        """Quotes of the plan documents, each with its source."""
        found = [
            one
            for one in self.plan.get("citations") or []
            if str(one.get("claim", "")).startswith("what the plan says")
        ]
        return tuple(f'"{one["quote"]}" ({one["source"]})' for one in found)


ANSWERS: Final[dict[str, str]] = {
    "not medically necessary": (
        "The enclosed records and the clinician's letter show why the service is needed for this condition."
    ),
    "experimental or investigational": (
        "The enclosed clinician's letter names the evidence and guidelines that support the service for this condition."
    ),
    "step therapy": "The enclosed records show which alternatives were tried, with what result, or why they cannot be used.",
    "level of care": "The enclosed records show why a lower level of care would not have been safe.",
    "information missing": "The information that was missing is enclosed.",
    "out of network": "Please review whether an in-network provider with the needed skill was available in time.",
    "not a covered benefit": (
        "Please name the exact wording of the plan that excludes the service, and review it against the "
        "enclosed records."
    ),
    "quantity or frequency limit": "The enclosed records show why more than the usual amount is needed.",
}
"""What an appeal answers to each kind of reason; the arguments themselves stand in the enclosures."""


def appeal_letter(case: Case) -> Body:
    """The member's appeal."""
    notice = case.day("dates.date_of_denial", "DATE OF THE DENIAL LETTER")
    opening = f"I appeal the decision in your letter dated {notice} to deny {case.service}. {case.reason}"
    answers = tuple(ANSWERS[kind] for kind in case.kinds if kind in ANSWERS) or (
        "The enclosed records show why the service should be covered.",
    )
    section = case.get("policy_section")
    rests = f"Your letter cites {section}. Please send me its full wording." if section else None
    asks = (
        "Reverse the denial and cover the service.",
        "Have the appeal decided by a clinician of the same specialty who took no part in the first decision.",
        "Send me, free of charge, the complete claim file and the criteria that the decision rests on.",
        "If you uphold the denial, state the clinical reason and how to ask for an external review.",
    )
    why = Section("Why the decision should be changed", (*answers, *([rests] if rests else [])))
    cited = case.cited()
    return (
        Section("", (opening,)),
        why,
        *((Section("What the plan document says", (), cited),) if cited else ()),
        Section("What I ask for", (), asks),
        Section("Enclosures", (), _enclosures(case)),
    )


def reconsideration_request(case: Case) -> Body:
    """A request to look again, with the authorization or the corrected claim."""
    number = case.get("prior_authorization.auth_number")
    is_authorization = "prior authorization missing" in case.kinds
    notice = case.day("dates.date_of_denial", "DATE OF THE DENIAL LETTER")
    opening = f"Please reconsider the decision in your letter dated {notice} about {case.service}. {case.reason}"
    grounds: tuple[str, ...]
    if is_authorization:
        told = number or "[AUTHORIZATION NUMBER, IF ONE WAS GIVEN]"
        grounds = (
            (
                f"The authorization number is {told}. If it was not matched to the claim, please match it and "
                "process the claim again."
            ),
            (
                "If no authorization was given, please authorize the service after the fact. The clinical notes "
                "are enclosed. [SAY WHY IT COULD NOT BE ASKED FOR IN TIME]"
            ),
        )
    else:
        grounds = (
            (
                "The claim has been corrected. The change is: [WHAT WAS CORRECTED]. Please process it as a "
                "replacement of the original claim."
            ),
        )
    return (
        Section("", (opening,)),
        Section("Grounds", grounds),
        Section("", ("This request does not replace an appeal, and the right to appeal is kept.",)),
        Section("Enclosures", (), _enclosures(case)),
    )


def pa_checklist(case: Case) -> Body:
    """What to gather to get an authorization, or to show that there was one."""
    return (
        Section("", (f"For {case.service}. {_theirs(case)}",)),
        Section(
            "First: was it asked for?",
            (),
            (
                "Day on which the provider asked the plan: [DATE]",
                f"Authorization number: {case.need('prior_authorization.auth_number', 'NUMBER')}",
                "Name of the person at the plan and the call's reference number: [NAME, NUMBER]",
                "Copy of the fax confirmation or the portal page",
            ),
        ),
        Section("For the request", (), _request_items(case)),
        Section("Then", (), ("Send the request, with the denial letter, to the plan.", _note_deadline(case))),
    )


def resubmit_checklist(case: Case) -> Body:
    """What a billing office checks before it sends a claim again."""
    reasons = case.codes("CARC", "RARC")
    checks = [f"Read what {code} asks for in the official code list" for code in reasons]
    checks += [
        f"Member ID as on the card: {case.need('payer.member_id', 'MEMBER ID')}",
        f"Date of service: {case.day('dates.date_of_service', 'DATE OF SERVICE')}",
        f"Procedure codes: {', '.join(case.codes('CPT', 'HCPCS')) or '[PROCEDURE CODES]'}",
        f"Diagnosis codes: {', '.join(case.codes('ICD-10-CM', 'ICD-10-PCS')) or '[DIAGNOSIS CODES]'}",
        f"Rendering provider's NPI: {case.need('service.provider_npi', 'NPI')}",
        "Modifiers match the record",
        "Other insurance is billed in the right order",
    ]
    claim = case.need("payer.claim_number", "CLAIM NUMBER")
    return (
        Section("", (f"For {case.service}. {_theirs(case)}",)),
        Section("Compare with the record", (), tuple(checks)),
        Section(
            "Send it",
            (),
            (
                f"As a replacement claim that names the original claim {claim}",
                "Inside the plan's filing limit: [ASK THE PLAN]",
                "With the denial letter and the record of the service",
                _note_deadline(case),
            ),
        ),
    )


def call_script(case: Case) -> Body:
    """What to say and ask on the telephone."""
    phone = case.get("contact.phone")
    missing = tuple(str(one["question"]) for one in case.plan.get("missing_info_requests") or [])
    at_hand = (
        f"Member ID: {case.need('payer.member_id', 'MEMBER ID')}",
        f"Claim number: {case.need('payer.claim_number', 'CLAIM NUMBER')}",
        f"Date of the letter: {case.day('dates.date_of_denial', 'DATE')}",
    )
    ask = (
        "What exactly is the reason, and which criteria or plan section does it rest on?",
        "What would you need to change the decision?",
        f"Is {case.deadline} the last day to appeal?" if case.deadline else "What is the last day to appeal?",
        "Where do I send the appeal, and can it be faxed?",
        *(one for one in missing if "last" not in one and "until" not in one.lower()),
    )
    opening = (
        f"Hello, my name is [YOUR NAME]. I am calling about your decision on {case.service}. May I have "
        "your name and a reference number for this call?"
    )
    where = f"Call {phone}." if phone else "Call [THE NUMBER ON YOUR INSURANCE CARD]."
    return (
        Section("Before you call", (where,), at_hand),
        Section("Say", (opening,)),
        Section("Ask", (), tuple(dict.fromkeys(ask))),
        Section(
            "Write down",
            (),
            ("Name: [NAME]", "Reference number: [NUMBER]", "Day and time: [DAY, TIME]", "What was promised: [NOTES]"),
        ),
    )


def clinician_letter(case: Case) -> Body:
    """A frame for the clinician, who alone can fill in what is medical."""
    diagnoses = ", ".join(case.codes("ICD-10-CM", "ICD-10-PCS")) or "[DIAGNOSIS]"
    return (
        Section(
            "",
            (
                f"I treat {case.need('patient_name', 'PATIENT')} and write in support of {case.service}. {_theirs(case)}",
            ),
        ),
        Section(
            "Condition and history",
            (f"Diagnosis: {diagnoses}. [COURSE OF THE CONDITION, FINDINGS, TEST RESULTS]",),
        ),
        Section("Earlier treatment", ("[WHAT WAS TRIED, FROM WHEN TO WHEN, WITH WHAT RESULT]",)),
        Section(
            "Answer to the stated reason", ("[WHY THE REASON DOES NOT HOLD FOR THIS PATIENT, CRITERION BY CRITERION]",)
        ),
        Section("Evidence", ("[GUIDELINES OR STUDIES THAT SUPPORT THE SERVICE]",)),
        Section("", ("I am available to speak with a reviewing clinician at [TELEPHONE].",)),
    )


def fax_cover(case: Case) -> Body:
    """What the first page of a fax says: no diagnosis and no reason, for it is read by whoever stands at the machine."""
    return (
        Section("", ("Pages with this one: [NUMBER]", "About: a decision on a claim or a request")),
        Section("Contents", (), _enclosures(case)),
        Section(
            "",
            (
                (
                    "This fax holds health information that is confidential. If you are not the addressee, call the "
                    "sender and destroy it."
                ),
            ),
        ),
    )


def _theirs(case: Case) -> str:
    return case.reason.replace("you gave", "the plan gave")


def _enclosures(case: Case) -> tuple[str, ...]:
    items = [str(one["item"]) for one in case.plan.get("evidence_checklist") or [] if one.get("priority") != "optional"]
    return tuple(items) or ("Denial letter",)


def _request_items(case: Case) -> tuple[str, ...]:
    return (
        f"Member ID: {case.need('payer.member_id', 'MEMBER ID')}",
        f"Procedure codes: {', '.join(case.codes('CPT', 'HCPCS')) or '[PROCEDURE CODES]'}",
        f"Diagnosis codes: {', '.join(case.codes('ICD-10-CM', 'ICD-10-PCS')) or '[DIAGNOSIS CODES]'}",
        f"Provider: {case.need('service.provider_name', 'PROVIDER')}, NPI {case.need('service.provider_npi', 'NPI')}",
        f"Date of service: {case.day('dates.date_of_service', 'DATE, OR PLANNED DATE')}",
        "Clinical notes that answer the plan's criteria",
        "Order or prescription",
    )


def _note_deadline(case: Case) -> str:
    if case.deadline is None:
        return "Ask the plan for the last day to appeal: [DATE]"
    return f"Note the last day to appeal: {case.deadline}. Neither this nor a call stops it."


BODIES: Final[dict[str, Callable[[Case], Body]]] = {
    "appeal_letter": appeal_letter,
    "reconsideration_request": reconsideration_request,
    "pa_checklist": pa_checklist,
    "resubmit_checklist": resubmit_checklist,
    "call_script": call_script,
    "clinician_letter": clinician_letter,
    "fax_cover": fax_cover,
}
"""Document name to the rule that writes its body."""
