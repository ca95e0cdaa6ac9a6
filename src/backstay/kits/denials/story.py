"""Story: the situation in plain words, written by rules from the facts and the plan."""

from __future__ import annotations

from typing import Final

from backstay.kits.denials.body import Case, write_day

MEANING: Final[dict[str, str]] = {
    "prior authorization missing": (
        "That means the plan says that nobody asked for permission before the care, or that it has no "
        "record of it. Often it is a matter of paperwork between the clinic and the plan."
    ),
    "not medically necessary": (
        "That means the plan's reviewer does not see in the records why this care is needed. It is not "
        "a judgement of your doctor, and a letter from your doctor can answer it."
    ),
    "experimental or investigational": (
        "That means the plan says the treatment is not yet proven for this condition. Your doctor can "
        "answer with guidelines and studies."
    ),
    "step therapy": (
        "That means the plan wants other treatments to be tried first. Your doctor can show that they "
        "were tried, or why they cannot be used."
    ),
    "level of care": "That means the plan says that care in a simpler setting would have been enough.",
    "information missing": "That means the plan did not get papers that it asked for. Sending them may settle it.",
    "coding or billing error": (
        "That means something on the bill does not fit together. The billing office can usually correct it."
    ),
    "duplicate claim": "That means the plan believes that it has already seen this bill.",
    "filed too late": (
        "That means the plan says the bill came after its time limit. In many plans that is the "
        "provider's loss and not yours; ask."
    ),
    "another payer is primary": "That means the plan believes that another insurance has to pay first.",
    "not eligible on the date": "That means the plan says that you had no cover with it on that day.",
    "out of network": "That means the plan does not pay this provider, or pays less, because it has no contract with it.",
    "not a covered benefit": "That means the plan says that it does not pay for this kind of care at all.",
    "quantity or frequency limit": "That means the plan pays only for a certain amount of this care.",
    "third-party liability": (
        "That means the plan believes that somebody else is liable, such as a car or a workers' insurance."
    ),
}
"""What each kind of denial means, in common words."""


def tell(case: Case) -> str:
    """The situation summary: what was denied, why, what can be done until when, what is not known."""
    return "\n\n".join(part for part in (_what(case), _next(case)) if part)


def _what(case: Case) -> str:
    who = case.get("payer.name") or "Your health plan"
    what = case.service
    notice = write_day(case.get("dates.date_of_denial"))
    dated = f" in a letter of {notice}" if notice else ""
    reason = case.words
    said = (
        f'The reason that it gives is: "{reason}."'
        if reason
        else "The letter does not give a reason that could be found."
    )
    meaning = " ".join(MEANING[kind] for kind in case.kinds if kind in MEANING)
    return f"{who} decided not to pay for this{dated}: {what}. {said} {meaning}".strip()


def _next(case: Case) -> str:
    timeline = case.plan.get("timeline") or {}
    summary = case.plan.get("summary") or {}
    deadline = case.deadline
    if deadline and timeline.get("is_past"):
        until = (
            f"The last day to appeal was {deadline}. Ask the plan at once whether it takes a late appeal for "
            "a good reason."
        )
    elif deadline:
        until = f"The last day to appeal is {deadline}. Sending it some days earlier is safer."
    else:
        until = (
            "The letter does not say until when you may appeal. Missing that day can end your right to "
            "appeal, so call the plan and ask for it first."
        )
    asked = [
        str(one["question"])
        for one in case.plan.get("missing_info_requests") or []
        if one.get("importance") != "nice_to_have"
    ]
    unknown = f"Not known yet: {' '.join(asked)}" if asked else ""
    return " ".join(part for part in (str(summary.get("recommendation", "")), until, unknown) if part)
