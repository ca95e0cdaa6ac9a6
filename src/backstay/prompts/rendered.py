"""Rendered: a prompt that is ready to be asked, and where it came from."""

from __future__ import annotations

from typing import Any

import msgspec

from backstay.prompts.tier import Tier
from backstay.types import Message, Request, ResponseFormat


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """One rendering of a template: `system`, `messages`, and the JSON Schema of the answer where it has one.

    `hash` is the SHA-256 of the template (name, version, text, variables), 16 hex digits: the same for every rendering of it.
    `nonce` is what the delimiters of this rendering carry.
    """

    name: str
    version: str
    hash: str
    nonce: str
    system: str | None
    messages: tuple[Message, ...]
    schema: dict[str, Any] | None = None
    tier: Tier | None = None

    def settings(self) -> dict[str, Any]:
        """The keyword settings for any verb of the client: `client.generate(list(r.messages), **r.settings())`.

        The prompt's name is the task, and name, version and hash are tags, so they stand with the call wherever it is told of.
        """
        chosen: dict[str, Any] = {
            "system": self.system,
            "task": self.name,
            "tags": {"prompt": self.name, "prompt_version": self.version, "prompt_hash": self.hash},
        }
        return chosen if self.schema is None else chosen | {"schema": self.schema}

    def request(self, model: str = "") -> Request:
        """The same as a Request, which any verb takes as its prompt; the client fills in its model and the ids."""
        about = self.settings()
        base = Request()
        return msgspec.structs.replace(
            base,
            model=model,
            system=self.system,
            messages=self.messages,
            response_format=None if self.schema is None else ResponseFormat(schema=self.schema, name=self.name),
            metadata=msgspec.structs.replace(base.metadata, task=about["task"], tags=about["tags"]),
        )

    @property
    def text(self) -> str:
        """System and messages as one text, for a person to read."""
        parts = [f"[system]\n{self.system}"] if self.system else []
        return "\n\n".join([*parts, *(f"[{message.role}]\n{message.text}" for message in self.messages)])
