"""Environment variables: our own, the usual ones, and what they may not do."""

from __future__ import annotations

import pytest

from backstay.codecs.registry import providers
from backstay.config import Provider, explain, verify
from backstay.config.usual import ADDRESSES, ALIASES, DEFAULT_MODELS, server_address, usual
from backstay.errors import ConfigurationError

KEY = "made-up-key"


@pytest.mark.parametrize(
    ("environ", "model", "why"),
    [
        ({}, "offline:rules", "default: no key is set"),
        ({"OPENAI_API_KEY": KEY}, "openai:gpt-5-mini", "default: first provider with a key (env OPENAI_API_KEY)"),
        ({"OPENAI_API_KEY": ""}, "offline:rules", "default: no key is set"),
        (
            {"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY},
            "openai:gpt-5-mini",
            "default: first provider with a key (env OPENAI_API_KEY)",
        ),
        ({"GOOGLE_API_KEY": KEY}, "gemini:gemini-3.5-flash", "default: first provider with a key (env GOOGLE_API_KEY)"),
        ({"AZURE_OPENAI_API_KEY": KEY}, "offline:rules", "default: no key is set"),
        (
            {"LLAMA_SERVER_URL": "http://gpu:8080"},
            "llamacpp:default",
            "default: its address is set (providers.llamacpp.base_url)",
        ),
        (
            {"LLM_PROVIDER": "anthropic"},
            "anthropic:claude-haiku-4-5",
            "environment LLM_PROVIDER: default model of anthropic",
        ),
        ({"LLM_PROVIDER": "Google"}, "gemini:gemini-3.5-flash", "environment LLM_PROVIDER: default model of gemini"),
        (
            {"LLM_PROVIDER": "offline", "OPENAI_API_KEY": KEY},
            "offline:rules",
            "environment LLM_PROVIDER: default model of offline",
        ),
        ({"LLM_MODEL": "openai:gpt-5"}, "openai:gpt-5", "environment LLM_MODEL"),
        ({"LLM_PROVIDER": "openai", "LLM_MODEL": "gpt-5"}, "openai:gpt-5", "environment LLM_PROVIDER, LLM_MODEL"),
        ({"LLM_PROVIDER": "openai", "LLM_MODEL": "openai:gpt-5"}, "openai:gpt-5", "environment LLM_MODEL"),
        (
            {"LLM_PROVIDER": "ollama", "LLM_MODEL": "mistral:7b"},
            "ollama:mistral:7b",
            "environment LLM_PROVIDER, LLM_MODEL",
        ),
        ({"LLM_MODEL": "openai:a", "BACKSTAY__MODEL": "openai:b"}, "openai:b", "environment BACKSTAY__MODEL"),
    ],
)
def test_which_model_is_asked(read, environ: dict[str, str], model: str, why: str) -> None:
    """The first provider with a key, unless the environment names one; a key that is empty is no key."""
    loaded = read(environ=environ)
    assert (loaded.model, loaded.sources["model"]) == (model, why)


def test_the_first_of_two_usual_names_counts(read) -> None:
    """GEMINI_API_KEY before GOOGLE_API_KEY, as the registry has them."""
    loaded = read(environ={"GOOGLE_API_KEY": "b" * 9, "GEMINI_API_KEY": "a" * 9})
    assert loaded.config.providers["gemini"].key == "env:GEMINI_API_KEY"
    assert loaded.key("gemini").reveal() == "a" * 9


def test_a_key_variable_of_ours_becomes_a_reference(read) -> None:
    """What BACKSTAY__PROVIDERS__X__KEY holds is never in the settings, only its name is."""
    loaded = read(
        environ={
            "BACKSTAY__PROVIDERS__MY_SERVER__KEY": KEY,
            "BACKSTAY__PROVIDERS__MY_SERVER__BASE_URL": "https://llm.example/v1",
            "BACKSTAY__PROVIDERS__MY_SERVER__HEADERS__X_API_TOKEN": KEY,
            "BACKSTAY__PROVIDERS__OPENAI__KEY": "env:OTHER",
        }
    )
    mine = loaded.config.providers["my_server"]
    assert mine.key == "env:BACKSTAY__PROVIDERS__MY_SERVER__KEY"
    assert loaded.key("my_server").reveal() == KEY
    assert loaded.headers("my_server")["x-api-token"].reveal() == KEY
    assert loaded.config.providers["openai"].key == "env:OTHER"
    assert KEY not in repr(loaded)


def test_a_dash_of_a_chosen_name_is_written_as_an_underscore(read) -> None:
    """The variable finds the provider that the file calls my-server."""
    loaded = read(
        "[providers.my-server]\nbase_url = 'http://localhost:1'\n",
        environ={"BACKSTAY__PROVIDERS__MY_SERVER__MODEL": "m"},
    )
    assert loaded.config.providers == {"my-server": Provider(base_url="http://localhost:1", model="m")}


@pytest.mark.parametrize(
    ("variable", "fault"),
    [
        ("BACKSTAY__RETRY__MAXATTEMPTS", "retry.maxattempts: no such setting; did you mean retry.max_attempts?"),
        ("BACKSTAY__RETRY_MAX_ATTEMPTS", "retry_max_attempts: no such setting; did you mean retry.max_attempts?"),
        ("BACKSTAY_RETRY_MAX_ATTEMPTS", "is not read; did you mean BACKSTAY__RETRY__MAX_ATTEMPTS?"),
        ("BACKSTAY__RETRY", "retry: is a section"),
        ("BACKSTAY__", ": no such setting"),
    ],
)
def test_a_misspelt_variable_is_a_fault(read, variable: str, fault: str) -> None:
    """A variable with our prefix that names no setting was meant to do something."""
    with pytest.raises(ConfigurationError) as caught:
        read(environ={variable: "5"})
    assert fault in caught.value.faults[0]
    assert variable in caught.value.faults[0]


def test_foreign_variables_are_ignored(read) -> None:
    """Other programs' variables, and ours that are no settings, pass."""
    assert read(environ={"BACKSTAY_CORPUS": "/x", "PATH": "/bin", "RETRY": "1"}).config == read().config


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0:9000", "http://127.0.0.1:9000/v1"),
        (":9000", "http://127.0.0.1:9000/v1"),
        ("gpu-box", "http://gpu-box:11434/v1"),
        ("http://gpu-box:9000/", "http://gpu-box:9000/v1"),
        ("https://gpu.example", "https://gpu.example/v1"),
        ("https://gpu.example/api", "https://gpu.example/api"),
        ("[::1]:9000", "http://[::1]:9000/v1"),
    ],
)
def test_a_server_address_is_completed_from_its_row(text: str, address: str) -> None:
    """OLLAMA_HOST and its like lack scheme, port and path in any combination."""
    assert server_address("http://127.0.0.1:11434/v1", text) == address


@pytest.mark.parametrize(
    "text", ["http://u:hunter22@box", "http://box:port", "ftp://box", "http://bo x", "http://box?key=hunter22"]
)
def test_a_bad_address_is_refused_without_repeating_it(read, text: str) -> None:
    """A password or a key in a URL would end up in logs."""
    for variable in ("OPENAI_BASE_URL", "OLLAMA_HOST", "LLAMA_SERVER_URL"):
        with pytest.raises(ConfigurationError) as caught:
            read(environ={variable: text})
        (fault,) = caught.value.faults
        assert fault.startswith(f"environment {variable}: providers.")
        assert "hunter22" not in fault


@pytest.mark.parametrize(
    ("environ", "provider", "address"),
    [
        ({"AZURE_OPENAI_ENDPOINT": "https://mine.example/"}, "azure", "https://mine.example/openai/v1"),
        ({"AWS_REGION": "eu-central-1"}, "bedrock", "https://bedrock.eu-central-1.example"),
        ({"AWS_DEFAULT_REGION": "us-east-1"}, "bedrock", "https://bedrock.us-east-1.example"),
        ({"OPENAI_BASE_URL": "http://box:1"}, "openai", "http://box:1"),
        ({"LLAMA_SERVER_URL": "http://box:1"}, "llamacpp", "http://box:1/v1"),
        ({"OLLAMA_HOST": "box"}, "ollama", "http://box:11434"),
    ],
)
def test_the_usual_names_of_addresses(read, environ: dict[str, str], provider: str, address: str) -> None:
    """Whole URLs are taken as they are; addresses of servers and regions are completed from the provider's row."""
    assert read(environ=environ).config.providers[provider].base_url == address


def test_a_region_that_is_none_cannot_become_an_address(read) -> None:
    """The template is filled with names of regions only, so a key cannot be sent to a host that hides in one."""
    with pytest.raises(ConfigurationError, match=r"environment AWS_REGION: providers\.bedrock\.base_url: is not a URL"):
        read(environ={"AWS_REGION": "evil.example/"})


def test_a_provider_with_a_gap_in_its_address_needs_one(read) -> None:
    """Azure has no address before the user names his resource."""
    with pytest.raises(ConfigurationError, match=r"set providers\.azure\.base_url"):
        read(environ={"AZURE_OPENAI_API_KEY": KEY, "LLM_MODEL": "azure:my-deployment"})


def test_an_address_without_a_key_does_not_choose_a_provider_that_takes_one(read) -> None:
    """OPENAI_BASE_URL alone cannot be asked: the provider needs its key."""
    assert read(environ={"OPENAI_BASE_URL": "https://gateway.example/v1"}).model == "offline:rules"


def test_the_shipped_rows_name_the_usual_variables() -> None:
    """The registry and this package agree on providers, and each default model belongs to a provider that exists."""
    rows = {row.name: row for row in providers()}
    assert set(DEFAULT_MODELS) | set(ALIASES.values()) | {name for _, name, _ in ADDRESSES} <= set(rows)
    variables = {each.variable for each in usual(providers())}
    names = "OPENAI ANTHROPIC GEMINI GOOGLE MISTRAL GROQ DEEPSEEK XAI OPENROUTER TOGETHER AZURE_OPENAI"
    assert {f"{name}_API_KEY" for name in names.split()} <= variables
    assert {
        "OPENAI_BASE_URL",
        "ANTHROPIC_BASE_URL",
        "OLLAMA_HOST",
        "LLAMA_SERVER_URL",
        "AZURE_OPENAI_ENDPOINT",
    } <= variables


def test_the_proxy_of_the_environment_is_taken_only_when_trusted(read) -> None:
    """`trust_env` off: HTTPS_PROXY is nobody's business. On: it is used, by reference; a proxy of our own comes first."""
    environ = {"HTTPS_PROXY": "http://user:hunter22@proxy.example:3128"}
    assert read(environ=environ).proxy() is None
    trusting = read("[transport]\ntrust_env = true\n", environ=environ)
    assert trusting.config.transport.proxy == "env:HTTPS_PROXY"
    assert trusting.sources["transport.proxy"] == "environment HTTPS_PROXY"
    assert trusting.proxy().reveal() == environ["HTTPS_PROXY"]
    assert "hunter22" not in repr(trusting) + repr(explain(trusting)) + repr(verify(trusting))
    own = read("[transport]\ntrust_env = true\nproxy = 'http://own.example:1'\n", environ=environ)
    assert own.proxy().reveal() == "http://own.example:1"


def test_a_provider_that_the_caller_answers_for_is_known(read) -> None:
    """A client with a service of its own may name it as the model."""
    assert read(arguments={"model": "echo:x"}, services=["echo"]).model == "echo:x"
    with pytest.raises(ConfigurationError, match="names no known provider"):
        read(arguments={"model": "echo:x"})
