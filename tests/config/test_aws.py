"""AWS credentials from variables and profile files: the right ones, or an error that says why not, and never their text."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from backstay.codecs.registry import ProviderRow
from backstay.codecs.sigv4 import AWSCredentials
from backstay.config import aws, load
from backstay.config.aws import find_credentials
from backstay.config.environment import Environment
from backstay.errors import ConfigurationError

CREDENTIALS = """\
; written by a tool
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = canary/default+1=

[work]
AWS_ACCESS_KEY_ID=AKIAWORK
aws_secret_access_key=canary-work
aws_session_token = canary-token==
# aws_access_key_id = AKIAOLD

[half]
aws_access_key_id = AKIAHALF

[odd]
aws_access_key_id = AKIAODD
aws_secret_access_key = canary-ünusable
"""
CONFIG = """\
[default]
region = eu-west-1
s3 =
    aws_access_key_id = AKIANESTED

[profile work]
aws_access_key_id = AKIALATER
aws_secret_access_key = canary-later

[profile 'far away']
aws_access_key_id = AKIAFAR
aws_secret_access_key = canary-far

[profile empty]
region = us-east-1

[profile role]
role_arn = arn:aws:iam::123456789012:role/reader
source_profile = default

[profile both]
aws_access_key_id = AKIABOTH
aws_secret_access_key = canary-both
sso_session = house

[profile program]
credential_process = /bin/give-keys
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with both files, open to its owner only."""
    folder = tmp_path / ".aws"
    folder.mkdir()
    for name, text in (("credentials", CREDENTIALS), ("config", CONFIG)):
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o600)
    return tmp_path


def find(home: Path, **variables: str) -> AWSCredentials | None:
    return find_credentials(Environment({"HOME": str(home), **variables}))


def facts(found: AWSCredentials | None) -> tuple[str, str, str | None]:
    assert found is not None
    token = found.session_token
    return found.access_key_id, found.secret_access_key.reveal(), None if token is None else token.reveal()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ("AKIADEFAULT", "canary/default+1=", None)),
        ({"AWS_PROFILE": "work"}, ("AKIAWORK", "canary-work", "canary-token==")),
        ({"AWS_DEFAULT_PROFILE": "work"}, ("AKIAWORK", "canary-work", "canary-token==")),
        ({"AWS_PROFILE": "far away"}, ("AKIAFAR", "canary-far", None)),
        (
            {"AWS_PROFILE": "work", "AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "canary-env"},
            ("AKIAENV", "canary-env", None),
        ),
    ],
)
def test_the_keys_of_the_chosen_profile(
    home: Path, variables: dict[str, str], expected: tuple[str, str, str | None]
) -> None:
    """Variables first, then the credentials file, then the configuration file; comments and nested settings say nothing."""
    assert facts(find(home, **variables)) == expected


def test_the_files_may_stand_elsewhere(home: Path, tmp_path: Path) -> None:
    """Two variables name them, from the home folder too; a file that is not there is as good as an empty one."""
    (home / ".aws" / "credentials").rename(home / "keys")
    assert find(home) is None
    assert facts(find(home, AWS_SHARED_CREDENTIALS_FILE=str(home / "keys")))[0] == "AKIADEFAULT"
    assert facts(find(home, AWS_SHARED_CREDENTIALS_FILE="~/keys"))[0] == "AKIADEFAULT"
    (home / ".aws" / "config").rename(home / "settings")
    assert facts(find(home, AWS_CONFIG_FILE="~/settings", AWS_PROFILE="work"))[0] == "AKIALATER"
    assert find(home, AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "nothing")) is None


def test_without_a_home_nothing_is_read() -> None:
    """An environment that names no home folder has no profiles."""
    assert find_credentials(Environment({})) is None


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("nobody", "is in neither of AWS's files"),
        ("empty", "holds no keys"),
        ("half", "aws_secret_access_key of profile 'half' is missing"),
        ("odd", "aws_secret_access_key of profile 'odd' is no usable key"),
        ("role", "by role_arn, which is not read here"),
        ("both", "by sso_session, which is not read here"),
        ("program", "export-credentials --profile program"),
    ],
)
def test_a_profile_that_cannot_be_used_is_refused(home: Path, profile: str, words: str) -> None:
    """Not passed over: other keys would be another identity. And no line of the files is in the traceback."""
    with pytest.raises(ConfigurationError) as caught:
        find(home, AWS_PROFILE=profile)
    assert words in str(caught.value)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "canary" not in "".join(shown.format())


def test_one_half_in_the_variables_is_an_error(home: Path) -> None:
    """Half a key in the environment is a mistake, not a reason to take another key from a file."""
    with pytest.raises(ConfigurationError, match="AWS_SECRET_ACCESS_KEY is not set"):
        find(home, AWS_ACCESS_KEY_ID="AKIAENV")


def test_a_file_open_to_everybody_is_refused(home: Path) -> None:
    """As with every key file; a configuration file that gives no keys may be open."""
    (home / ".aws" / "config").chmod(0o644)
    assert find(home) is not None
    (home / ".aws" / "credentials").chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        find(home)


def test_a_client_takes_the_profile(home: Path) -> None:
    """The settings give a provider that signs the profile's keys, and name the provider where they are broken."""
    row = ProviderRow(name="bedrock", dialect="bedrock", base_url="https://bedrock.eu-west-1.example", auth="sigv4")

    def loaded(**variables: str) -> AWSCredentials | None:
        found = load(
            environ={"HOME": str(home), **variables},
            arguments={"model": "bedrock:m"},
            rows=(row,),
            cwd=home,
            user_folder=home,
        )
        return found.credentials("bedrock")

    assert facts(loaded(AWS_PROFILE="work"))[0] == "AKIAWORK"
    with pytest.raises(ConfigurationError, match=r"^bedrock: AWS profile 'role'"):
        loaded(AWS_PROFILE="role")


def test_a_reader_that_takes_nested_settings_is_caught(home: Path) -> None:
    """The broken variant: without the rule of indented lines the default profile's nested key would be its own."""
    text = CONFIG.replace("    aws_access_key_id", "aws_access_key_id")
    path = home / ".aws" / "config"
    assert "aws_access_key_id" not in (aws._read(path, "default") or {})
    path.write_text(text, encoding="utf-8")
    assert "aws_access_key_id" in (aws._read(path, "default") or {})
