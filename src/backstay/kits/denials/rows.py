"""What each way asks for, as rows: steps, evidence, questions. Wording only; dates and names come from the facts.

A row's text may hold `{payer}` and the like, filled from the facts or, where these are silent, with a place to fill in.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from backstay.kits.denials.route import APPEAL, AUTHORIZATION, CORRECTION, Way

Party: TypeAlias = Literal["patient", "provider", "billing_staff", "clinician"]
Priority: TypeAlias = Literal["required", "recommended", "optional"]
Importance: TypeAlias = Literal["critical", "helpful", "nice_to_have"]
When: TypeAlias = Literal["now", "submission", "deadline"]


class StepRow(msgspec.Struct, frozen=True, kw_only=True):
    """A step: who does what, by when, with which papers."""

    action: str
    description: str
    party: Party
    when: When = "now"
    needs: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()


class EvidenceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A paper that supports the case, where it comes from and what it is for."""

    item: str
    priority: Priority
    source: str
    purpose: str


CALL: Final = StepRow(
    action="Call {payer} and confirm the facts",
    description=(
        "Ask what is still missing, where to send it and until when. Write down the name, the day and a "
        "reference number."
    ),
    party="patient",
    templates=("call_script",),
)
KEEP: Final = StepRow(
    action="Keep proof of what was sent",
    description="Keep a copy of everything and the fax confirmation or the certified-mail receipt.",
    party="patient",
    when="deadline",
)

STEPS: Final[dict[Way, tuple[StepRow, ...]]] = {
    APPEAL: (
        CALL,
        StepRow(
            action="Ask for the claim file and the criteria",
            description=(
                "Ask {payer} in writing for the complete file and the clinical criteria that it used; it must "
                "give them free of charge."
            ),
            party="patient",
        ),
        StepRow(
            action="Get a letter of medical necessity",
            description="Ask {provider} for a letter that answers the stated reason point by point.",
            party="clinician",
            when="submission",
            needs=("clinical notes", "test results"),
            templates=("clinician_letter",),
        ),
        StepRow(
            action="File the appeal",
            description="Send the appeal letter with its enclosures to {payer}.",
            party="patient",
            when="submission",
            needs=("appeal letter", "denial letter", "letter of medical necessity", "medical records"),
            templates=("appeal_letter", "fax_cover"),
        ),
        KEEP,
    ),
    AUTHORIZATION: (
        CALL,
        StepRow(
            action="Find out whether authorization was asked for",
            description=(
                "Ask {provider} whether it asked {payer} for authorization, on which day, and for the number it "
                "was given."
            ),
            party="provider",
            templates=("call_script",),
        ),
        StepRow(
            action="Send the authorization, or ask for it",
            description=(
                "If there is a number, send it with a request for reconsideration. If not, ask for "
                "authorization, after the fact where the care was given."
            ),
            party="provider",
            when="submission",
            needs=("authorization number or request", "clinical notes"),
            templates=("pa_checklist", "reconsideration_request", "fax_cover"),
        ),
        StepRow(
            action="Appeal if reconsideration is refused",
            description="Reconsideration does not stop the appeal deadline; file the appeal in time whatever happens.",
            party="patient",
            when="deadline",
            needs=("denial letter",),
        ),
        KEEP,
    ),
    CORRECTION: (
        CALL,
        StepRow(
            action="Find the error",
            description=(
                "Ask the billing office of {provider} to compare the claim with the record: codes, modifiers, "
                "dates, identifiers."
            ),
            party="billing_staff",
            needs=("claim as submitted", "medical record"),
            templates=("resubmit_checklist",),
        ),
        StepRow(
            action="Send the corrected claim",
            description=(
                "Send it as a replacement of the original claim, with its number, so that it is not taken for a "
                "duplicate."
            ),
            party="billing_staff",
            when="submission",
            needs=("corrected claim", "denial letter"),
            templates=("resubmit_checklist", "reconsideration_request", "fax_cover"),
        ),
        StepRow(
            action="Appeal if the corrected claim is refused",
            description="A corrected claim does not stop the appeal deadline; note the date.",
            party="patient",
            when="deadline",
        ),
        KEEP,
    ),
}
UNROUTED: Final[tuple[StepRow, ...]] = (
    CALL,
    StepRow(
        action="Have a person choose the way",
        description="Show the letter to the provider's billing office, or to the consumer assistance program of your state.",
        party="patient",
    ),
    KEEP,
)


def _evidence(*rows: tuple[str, Priority, str, str]) -> tuple[EvidenceRow, ...]:
    return tuple(
        EvidenceRow(item=item, priority=priority, source=source, purpose=purpose)
        for item, priority, source, purpose in rows
    )


EVIDENCE: Final[dict[Way, tuple[EvidenceRow, ...]]] = {
    APPEAL: _evidence(
        ("Denial letter", "required", "patient", "shows what is appealed"),
        ("Letter of medical necessity", "required", "clinician", "answers the stated reason"),
        ("Clinical notes and test results", "required", "provider", "show the condition and earlier treatment"),
        ("Clinical criteria that the plan used", "recommended", "plan", "says what must be met"),
        ("Guidelines or studies", "optional", "clinician", "support the service for the condition"),
    ),
    AUTHORIZATION: _evidence(
        ("Denial letter", "required", "patient", "shows what is to be reconsidered"),
        (
            "Authorization number or approval letter",
            "required",
            "provider",
            "shows that permission was given, where it was",
        ),
        ("Clinical notes", "required", "provider", "support authorization after the fact"),
        ("Record of calls and faxes to the plan", "recommended", "provider", "shows that permission was asked for"),
        ("Proof of an emergency", "optional", "provider", "emergency care needs no permission"),
    ),
    CORRECTION: _evidence(
        ("Denial letter", "required", "patient", "names the fault"),
        ("Claim as submitted", "required", "billing staff", "shows what is to be changed"),
        ("Corrected claim", "required", "billing staff", "is the remedy"),
        ("Medical record of the service", "recommended", "provider", "supports the corrected codes"),
        ("Proof of the first submission", "recommended", "billing staff", "shows that the claim was in time"),
    ),
}

QUESTIONS: Final[tuple[tuple[str, str, Importance], ...]] = (
    ("dates.appeal_deadline", "Until which day may an appeal be filed?", "critical"),
    ("dates.date_of_denial", "What is the date of the letter?", "critical"),
    ("denial_reason", "What exactly is the reason for the denial?", "critical"),
    ("payer.member_id", "What is the member ID on your insurance card?", "critical"),
    ("payer.claim_number", "What is the claim or reference number?", "helpful"),
    ("contact.address", "To which address are appeals sent?", "helpful"),
    ("contact.fax", "Is there a fax number for appeals?", "nice_to_have"),
    ("service.cpt_codes[0]", "Which procedure code was denied?", "helpful"),
    ("dates.date_of_service", "On which day was the service given, or planned?", "helpful"),
    ("service.provider_name", "Who gave or asked for the service?", "helpful"),
    ("policy_section", "Which section of the plan does the decision rest on?", "nice_to_have"),
)
"""The fact that is missing, what to ask for it, and how much it matters."""

PACK: Final[dict[Way, tuple[str, ...]]] = {
    APPEAL: ("appeal_letter", "clinician_letter", "call_script", "fax_cover"),
    AUTHORIZATION: ("pa_checklist", "reconsideration_request", "call_script", "fax_cover"),
    CORRECTION: ("resubmit_checklist", "reconsideration_request", "call_script", "fax_cover"),
}
"""The documents of each way; a call is worth making whatever the way."""
UNROUTED_PACK: Final = ("call_script",)
