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

EVIDENCE: Final[dict[Way, tuple[EvidenceRow, ...]]] = {
    APPEAL: (
        EvidenceRow(item="Denial letter", priority="required", source="patient", purpose="shows what is appealed"),
        EvidenceRow(
            item="Letter of medical necessity",
            priority="required",
            source="clinician",
            purpose="answers the stated reason",
        ),
        EvidenceRow(
            item="Clinical notes and test results",
            priority="required",
            source="provider",
            purpose="show the condition and earlier treatment",
        ),
        EvidenceRow(
            item="Clinical criteria that the plan used",
            priority="recommended",
            source="plan",
            purpose="says what must be met",
        ),
        EvidenceRow(
            item="Guidelines or studies",
            priority="optional",
            source="clinician",
            purpose="support the service for the condition",
        ),
    ),
    AUTHORIZATION: (
        EvidenceRow(
            item="Denial letter", priority="required", source="patient", purpose="shows what is to be reconsidered"
        ),
        EvidenceRow(
            item="Authorization number or approval letter",
            priority="required",
            source="provider",
            purpose="shows that permission was given, where it was",
        ),
        EvidenceRow(
            item="Clinical notes",
            priority="required",
            source="provider",
            purpose="support authorization after the fact",
        ),
        EvidenceRow(
            item="Record of calls and faxes to the plan",
            priority="recommended",
            source="provider",
            purpose="shows that permission was asked for",
        ),
        EvidenceRow(
            item="Proof of an emergency",
            priority="optional",
            source="provider",
            purpose="emergency care needs no permission",
        ),
    ),
    CORRECTION: (
        EvidenceRow(item="Denial letter", priority="required", source="patient", purpose="names the fault"),
        EvidenceRow(
            item="Claim as submitted",
            priority="required",
            source="billing staff",
            purpose="shows what is to be changed",
        ),
        EvidenceRow(item="Corrected claim", priority="required", source="billing staff", purpose="is the remedy"),
        EvidenceRow(
            item="Medical record of the service",
            priority="recommended",
            source="provider",
            purpose="supports the corrected codes",
        ),
        EvidenceRow(
            item="Proof of the first submission",
            priority="recommended",
            source="billing staff",
            purpose="shows that the claim was in time",
        ),
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
