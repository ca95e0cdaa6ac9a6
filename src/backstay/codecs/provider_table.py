"""The shipped providers, a row each. Facts are of November 2026, from the page named in each row and from recorded traffic.

Rules are shared where servers are built on the same software. A field that is not set has the default of `ChatRules`, which
is OpenAI's own API, or of `COMPATIBLE`, which is what most other servers take.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from backstay.codecs.openai_rule import COMPATIBLE, ChatRules
from backstay.codecs.placeholder import Placeholder
from backstay.codecs.registry import ProviderRow

_REASONING: Final = replace(COMPATIBLE, reasoning_back="reasoning")
_MISTRAL: Final = replace(
    COMPATIBLE,
    seed_field="random_seed",
    top_k_field=None,
    forced_tool="any",
    reasoning_back="thinking_part",
    tool_id_length=9,
    has_exact_tool_id=True,
    has_tool_name=True,
    has_user=False,
    file_url_part="document_url",
    is_audio_bare=True,
    stream_usage=False,
)
_OPENROUTER: Final = replace(
    _REASONING, reasoning_in="object", has_cache_control=True, file_url_part="file", tool_id_length=64
)
_GROQ: Final = replace(
    _REASONING, max_tokens_field="max_completion_tokens", top_k_field=None, max_stop=4, has_logprobs=False
)
_DEEPSEEK: Final = replace(
    COMPATIBLE,
    seed_field=None,
    top_k_field=None,
    max_stop=16,
    reasoning_in="thinking",
    efforts=("none", "low", "high", "max"),
    schema="object_only",
    needs_json_word=True,
    has_user=False,
    has_parallel_tools=False,
)
_XAI: Final = replace(COMPATIBLE, max_tokens_field="max_completion_tokens", top_k_field=None)
_PERPLEXITY: Final = replace(COMPATIBLE, seed_field=None, file_url_part="file_url", has_user=False)
_LLAMACPP: Final = replace(COMPATIBLE, reasoning_in="template", count_path="/messages/count_tokens")
_COHERE: Final = replace(COMPATIBLE, top_k_field=None, has_parallel_tools=False, has_user=False)
_ZAI: Final = replace(COMPATIBLE, reasoning_in="thinking", top_k_field=None, has_penalties=False)
_GOOGLE: Final = replace(COMPATIBLE, top_k_field=None, has_logprobs=False, has_user=False)
_VERTEX: Final = "https://{host}/v1/projects/{project}/locations/{location}"
_LOCATION: Final = ("GOOGLE_CLOUD_LOCATION", "CLOUD_ML_REGION", "GOOGLE_CLOUD_REGION")
_GOOGLE_PLACES: Final = {
    "host": Placeholder(
        variables=_LOCATION,
        form="{}-aiplatform.googleapis.com",
        special={
            "global": "aiplatform.googleapis.com",
            "us": "aiplatform.us.rep.googleapis.com",
            "eu": "aiplatform.eu.rep.googleapis.com",
        },
    ),
    "location": Placeholder(variables=_LOCATION),
    "project": Placeholder(variables=("GOOGLE_CLOUD_PROJECT", "ANTHROPIC_VERTEX_PROJECT_ID"), pattern="[a-z0-9:.-]+"),
}
_REGION: Final = {"region": Placeholder(variables=("AWS_REGION", "AWS_DEFAULT_REGION"))}
_RESOURCE: Final = {"resource": Placeholder(variables=("AZURE_OPENAI_RESOURCE", "AZURE_RESOURCE_NAME"))}


def _chat(name: str, base_url: str, *key_env: str, rules: ChatRules = COMPATIBLE, **fields: Any) -> ProviderRow:
    return ProviderRow(name=name, dialect="openai_chat", base_url=base_url, key_env=key_env, rules=rules, **fields)


def _local(name: str, port: int, *, rules: ChatRules = COMPATIBLE, **fields: Any) -> ProviderRow:
    fields = {"embedding_path": "/embeddings", **fields}
    return _chat(name, f"http://127.0.0.1:{port}/v1", rules=rules, is_local=True, **fields)


ROWS: Final = (
    _chat(
        "openai",
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        rules=ChatRules(),
        url_env=("OPENAI_BASE_URL",),
        embedding_path="/embeddings",
        source="https://platform.openai.com/docs/api-reference/chat",
    ),
    ProviderRow(
        name="openai_responses",
        dialect="openai_responses",
        base_url="https://api.openai.com/v1",
        key_env=("OPENAI_API_KEY",),
        url_env=("OPENAI_BASE_URL",),
        embedding_path="/embeddings",
        source="https://platform.openai.com/docs/api-reference/responses",
    ),
    ProviderRow(
        name="anthropic",
        dialect="anthropic",
        base_url="https://api.anthropic.com",
        key_env=("ANTHROPIC_API_KEY",),
        url_env=("ANTHROPIC_BASE_URL",),
        auth="x-api-key",
        source="https://platform.claude.com/docs/en/api/messages",
    ),
    ProviderRow(
        name="gemini",
        dialect="gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        auth="x-goog-api-key",
        embedding_path="batchEmbedContents",
        embedding="gemini_embedding",
        source="https://ai.google.dev/api/generate-content",
    ),
    ProviderRow(
        name="bedrock",
        dialect="bedrock",
        base_url="https://bedrock-runtime.{region}.amazonaws.com",
        key_env=("AWS_BEARER_TOKEN_BEDROCK",),
        auth="sigv4",
        service="bedrock",
        placeholders=_REGION,
        source="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
    ),
    ProviderRow(
        name="vertex",
        dialect="gemini",
        base_url=f"{_VERTEX}/publishers/google",
        key_env=("GOOGLE_OAUTH_ACCESS_TOKEN",),
        settings={"host": "vertex"},
        placeholders=_GOOGLE_PLACES,
        embedding_path="predict",
        embedding="vertex_embedding",
        source="https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference",
    ),
    ProviderRow(
        name="vertex_anthropic",
        dialect="anthropic",
        base_url=f"{_VERTEX}/publishers/anthropic/models",
        key_env=("GOOGLE_OAUTH_ACCESS_TOKEN",),
        settings={"host": "vertex", "version": "vertex-2023-10-16"},
        placeholders=_GOOGLE_PLACES,
        source="https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude",
    ),
    _chat(
        "bedrock_openai",
        "https://bedrock-runtime.{region}.amazonaws.com/openai/v1",
        "AWS_BEARER_TOKEN_BEDROCK",
        rules=replace(_REASONING, max_tokens_field="max_completion_tokens", top_k_field=None),
        auth="sigv4",
        service="bedrock",
        placeholders=_REGION,
        source="https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html",
    ),
    _chat(
        "azure",
        "https://{resource}.openai.azure.com/openai/v1",
        "AZURE_OPENAI_API_KEY",
        rules=ChatRules(),
        auth="api-key",
        embedding_path="/embeddings",
        placeholders=_RESOURCE,
        source="https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle",
    ),
    ProviderRow(
        name="azure_responses",
        dialect="openai_responses",
        base_url="https://{resource}.openai.azure.com/openai/v1",
        key_env=("AZURE_OPENAI_API_KEY",),
        auth="api-key",
        embedding_path="/embeddings",
        placeholders=_RESOURCE,
        source="https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle",
    ),
    _chat(
        "azure_classic",
        "https://{resource}.openai.azure.com/openai/deployments/{model}",
        "AZURE_OPENAI_API_KEY",
        rules=ChatRules(),
        auth="api-key",
        embedding_path="/embeddings",
        placeholders={
            **_RESOURCE,
            "api_version": Placeholder(variables=("OPENAI_API_VERSION", "AZURE_API_VERSION"), default="2024-10-21"),
        },
        query="api-version={api_version}",
        source="https://learn.microsoft.com/azure/ai-foundry/openai/reference",
    ),
    _chat(
        "mistral",
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        rules=_MISTRAL,
        embedding_path="/embeddings",
        embedding_settings={"dimensions_field": "output_dimension"},
        source="https://docs.mistral.ai/api",
    ),
    _chat(
        "openrouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        rules=_OPENROUTER,
        embedding_path="/embeddings",
        source="https://openrouter.ai/docs/api-reference",
    ),
    _chat(
        "groq",
        "https://api.groq.com/openai/v1",
        "GROQ_API_KEY",
        rules=_GROQ,
        source="https://console.groq.com/docs/openai",
    ),
    _chat(
        "deepseek",
        "https://api.deepseek.com",
        "DEEPSEEK_API_KEY",
        rules=_DEEPSEEK,
        source="https://api-docs.deepseek.com",
    ),
    _chat("xai", "https://api.x.ai/v1", "XAI_API_KEY", rules=_XAI, source="https://docs.x.ai/docs/api-reference"),
    ProviderRow(
        name="xai_responses",
        dialect="openai_responses",
        base_url="https://api.x.ai/v1",
        key_env=("XAI_API_KEY",),
        source="https://docs.x.ai/docs/api-reference",
    ),
    ProviderRow(
        name="openrouter_responses",
        dialect="openai_responses",
        base_url="https://openrouter.ai/api/v1",
        key_env=("OPENROUTER_API_KEY",),
        source="https://openrouter.ai/docs/api-reference",
    ),
    _chat(
        "together",
        "https://api.together.xyz/v1",
        "TOGETHER_API_KEY",
        embedding_path="/embeddings",
        source="https://docs.together.ai/docs/openai-api-compatibility",
    ),
    _chat(
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
        embedding_path="/embeddings",
        source="https://docs.fireworks.ai/tools-sdks/openai-compatibility",
    ),
    _chat(
        "cerebras",
        "https://api.cerebras.ai/v1",
        "CEREBRAS_API_KEY",
        rules=replace(_REASONING, max_tokens_field="max_completion_tokens", top_k_field=None),
        source="https://inference-docs.cerebras.ai/resources/openai",
    ),
    _chat(
        "perplexity",
        "https://api.perplexity.ai",
        "PERPLEXITY_API_KEY",
        "PPLX_API_KEY",
        rules=_PERPLEXITY,
        source="https://docs.perplexity.ai",
    ),
    _chat(
        "moonshot",
        "https://api.moonshot.ai/v1",
        "MOONSHOT_API_KEY",
        rules=replace(COMPATIBLE, top_k_field=None),
        source="https://platform.moonshot.ai/docs",
    ),
    _chat("zai", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY", rules=_ZAI, source="https://docs.z.ai"),
    _chat(
        "alibaba",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_API_KEY",
        embedding_path="/embeddings",
        source="https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope",
    ),
    _chat(
        "gemini_openai",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        rules=_GOOGLE,
        embedding_path="/embeddings",
        source="https://ai.google.dev/gemini-api/docs/openai",
    ),
    _chat(
        "huggingface",
        "https://router.huggingface.co/v1",
        "HF_TOKEN",
        source="https://huggingface.co/docs/inference-providers",
    ),
    _chat(
        "nvidia",
        "https://integrate.api.nvidia.com/v1",
        "NVIDIA_API_KEY",
        rules=replace(COMPATIBLE, top_k_field=None),
        embedding_path="/embeddings",
        source="https://docs.api.nvidia.com/nim/reference/llm-apis",
    ),
    _chat(
        "sambanova",
        "https://api.sambanova.ai/v1",
        "SAMBANOVA_API_KEY",
        source="https://docs.sambanova.ai/cloud/docs",
    ),
    _chat(
        "cohere",
        "https://api.cohere.ai/compatibility/v1",
        "COHERE_API_KEY",
        "CO_API_KEY",
        rules=_COHERE,
        embedding_path="/embeddings",
        source="https://docs.cohere.com/docs/compatibility-api",
    ),
    _chat(
        "vercel",
        "https://ai-gateway.vercel.sh/v1",
        "AI_GATEWAY_API_KEY",
        rules=_OPENROUTER,
        source="https://vercel.com/docs/ai-gateway",
    ),
    _chat(
        "venice",
        "https://api.venice.ai/api/v1",
        "VENICE_API_KEY",
        embedding_path="/embeddings",
        source="https://docs.venice.ai",
    ),
    _chat(
        "compatible",
        "{base_url}",
        "OPENAI_COMPATIBLE_API_KEY",
        url_env=("OPENAI_COMPATIBLE_BASE_URL",),
        is_local=True,
        embedding_path="/embeddings",
        source="any server that speaks Chat Completions",
    ),
    _local(
        "llamacpp",
        8080,
        rules=_LLAMACPP,
        url_env=("LLAMA_SERVER_URL",),
        source="https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
    ),
    _local(
        "vllm",
        8000,
        rules=_REASONING,
        url_env=("VLLM_BASE_URL",),
        source="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
    ),
    _local(
        "lmstudio", 1234, url_env=("LMSTUDIO_BASE_URL",), source="https://lmstudio.ai/docs/app/api/endpoints/openai"
    ),
    _local("ollama_openai", 11434, rules=_REASONING, source="https://docs.ollama.com/openai"),
    ProviderRow(
        name="ollama",
        dialect="ollama",
        base_url="http://127.0.0.1:11434",
        key_env=("OLLAMA_API_KEY",),
        url_env=("OLLAMA_HOST",),
        is_local=True,
        embedding_path="/api/embed",
        embedding="ollama_embedding",
        source="https://docs.ollama.com/api",
    ),
)
