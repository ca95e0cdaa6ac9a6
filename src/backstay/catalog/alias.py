"""Alias: a provider's name here to the names under which the catalogue's sources list its models; and who is free.

The first alias that has the model wins, so `azure` has rows of its own and falls back to the makers whose models it serves.
A name that is not listed stands for itself. A local server costs nothing by statement: its row says so. Routers whose prices
no source states (`vercel`, `venice`, a `compatible` server) have no rows, and so no price.
"""

from __future__ import annotations

from typing import Final

_AZURE: Final = ("azure", "openai", "anthropic", "deepseek", "x-ai", "moonshotai")
_VERTEX: Final = ("google", "anthropic")

ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "xai": ("x-ai",),
    "xai_responses": ("x-ai",),
    "bedrock": ("aws",),
    "bedrock_openai": ("aws",),
    "azure": _AZURE,
    "azure_classic": _AZURE,
    "azure_responses": _AZURE,
    "openai_responses": ("openai",),
    "openrouter_responses": ("openrouter",),
    "gemini": ("google",),
    "gemini_openai": ("google",),
    "vertex": _VERTEX,
    "vertex_anthropic": _VERTEX,
    "moonshot": ("moonshotai",),
    "zai": ("zai", "zhipuai"),
    "sambanova": ("huggingface_sambanova",),
    "huggingface": (
        "huggingface_together",
        "huggingface_novita",
        "huggingface_groq",
        "huggingface_nebius",
        "huggingface_cerebras",
        "huggingface_fireworks-ai",
        "huggingface_hyperbolic",
        "huggingface_sambanova",
        "huggingface_nscale",
    ),
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

NOT_FREE: Final = ("-cloud", ":cloud")
"""Endings of models that a local server passes on to somebody who charges: Ollama's cloud models."""
