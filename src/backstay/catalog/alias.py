"""Alias: a provider's name here to the names under which the catalogue's sources list its models; and who is free.

The first alias that has the model wins, so `azure` has rows of its own and falls back to OpenAI's. A local server costs nothing
by statement: its row says so.
"""

from __future__ import annotations

from typing import Final

ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "xai": ("x-ai",),
    "bedrock": ("aws",),
    "azure": ("azure", "openai"),
    "azure_responses": ("azure", "openai"),
    "openai_responses": ("openai",),
    "gemini": ("google",),
    "gemini_openai": ("google",),
    "vertex": ("google", "anthropic"),
    "moonshot": ("moonshotai",),
    "zai": ("zai", "zhipuai"),
    "huggingface": ("huggingface_together", "huggingface_novita", "huggingface_groq", "huggingface_nebius"),
}

FREE: Final[dict[str, str]] = {
    "offline": "rules on this machine",
    "scripted": "a script on this machine",
    "local": "a model on this machine",
    "llamacpp": "a server of your own",
    "vllm": "a server of your own",
    "lmstudio": "a server of your own",
    "ollama": "a server of your own",
    "ollama_openai": "a server of your own",
}
"""Providers whose calls cost nothing, and why."""
