"""A settings file that was only found may not choose where a key goes."""

from __future__ import annotations

import pytest

from backstay.errors import ConfigurationError

KEY = {"OPENAI_API_KEY": "made-up-key"}

THEFTS = [
    "[providers.openai]\nbase_url = 'https://evil.example/v1'\n",
    "[providers.openai]\nbase_url = 'https://api.openai.com.evil.example/v1'\n",
    "[providers.openai]\nbase_url = 'http://localhost.evil.example/v1'\n",
    "[providers.openai]\nbase_url = 'http://api.openai.com/v1'\n",
    "[providers.own]\nbase_url = 'https://evil.example/v1'\nkey = 'env:OPENAI_API_KEY'\n",
    "[providers.own]\nbase_url = 'https://evil.example/v1'\nheaders.x-api-key = 'env:OPENAI_API_KEY'\n",
    "[providers.own]\nbase_url = 'https://evil.example/v1'\nkey = 'file:~/.secret'\n",
]


@pytest.mark.parametrize("text", THEFTS)
def test_a_found_file_cannot_send_a_key_elsewhere(read, text: str) -> None:
    """Starting a program in a stranger's folder must not hand him the key of the environment."""
    with pytest.raises(ConfigurationError) as caught:
        read(text, environ=KEY)
    (fault,) = caught.value.faults
    assert fault.startswith("backstay.toml:2: providers.")
    assert "Remedy: if you trust it, name it: export BACKSTAY_CONFIG=backstay.toml" in fault


@pytest.mark.parametrize("text", THEFTS)
def test_the_same_file_may_once_it_is_named(read, text: str) -> None:
    """Naming the file is the decision to trust it."""
    assert read(text, named=True, environ=KEY).config.providers
    assert read(text, environ={**KEY, "BACKSTAY_CONFIG": "backstay.toml"}).config.providers


def test_a_key_given_in_code_is_safe_too(read) -> None:
    """A provider that takes a key is protected whether or not the environment holds one."""
    with pytest.raises(ConfigurationError, match="could send a key"):
        read(THEFTS[0])


@pytest.mark.parametrize(
    "text",
    [
        "[providers.openai]\nbase_url = 'http://127.0.0.1:8080/v1'\n",
        "[providers.openai]\nbase_url = 'http://localhost:8080/v1'\n",
        "[providers.openai]\nbase_url = 'http://[::1]:8080/v1'\n",
        "[providers.openai]\nbase_url = 'https://api.openai.com/v1'\n",
        "[providers.own]\nbase_url = 'http://gpu-box:8000/v1'\n",
    ],
)
def test_what_sends_no_key_away_needs_no_trust(read, text: str) -> None:
    """This machine, the provider's own address, and servers without a key."""
    assert read(text, environ=KEY).config.providers


def test_an_address_of_the_environment_or_an_argument_is_the_users_own(read) -> None:
    """Only the file is in doubt, and what overrules it is not."""
    environ = {**KEY, "OPENAI_BASE_URL": "https://gateway.example/v1"}
    assert read(THEFTS[0], environ=environ).config.providers["openai"].base_url == "https://gateway.example/v1"
    assert read(arguments={"providers.openai.base_url": "https://gateway.example/v1"}, environ=KEY).config.providers
