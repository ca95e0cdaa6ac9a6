"""The rules that ship: which function reads which document when no model is there.

A row per task. An extraction rule answers with the plain object, as a model would, and with the Finding behind each field.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from backstay.offline.finding import Findings
from backstay.offline.provider import Answer, Rule, document
from backstay.types import Request


def reader_rule(name: str, task: str, module: str, function: str) -> Rule:
    """A rule that reads the request's document with `module.function`, imported when the first document comes."""

    def answer(request: Request) -> Answer | None:
        text = document(request)
        if request.metadata.task != task or text is None:
            return None
        import importlib

        read: Callable[[str], Findings] = getattr(importlib.import_module(module), function)
        findings = read(text)
        return Answer(text=msgspec.json.encode(findings.data).decode(), fields=findings.fields)

    return Rule(name, answer)


def labelled(request: Request) -> Answer | None:
    """Any schema, read from lines that name its fields; imported when it is asked."""
    from backstay.offline.labelled import answer_labelled

    return answer_labelled(request)


SHIPPED = (
    reader_rule("receipt", "extract:receipt", "backstay.offline.receipt", "read_receipt"),
    reader_rule("invoice", "extract:invoice", "backstay.offline.invoice", "read_invoice"),
    reader_rule("denial", "extract:denial", "backstay.offline.denial", "read_denial"),
    Rule("labelled", labelled),
)
"""Name of the rule, the task that it knows, and where its reader lives."""
