"""AWS credentials: from the variables, else from the profile in the files that AWS's own tools write.

The variables win, as in those tools. Then the profile that AWS_PROFILE names ("default" where it names none) is looked for in
`~/.aws/credentials` (or AWS_SHARED_CREDENTIALS_FILE), then in `~/.aws/config` (or AWS_CONFIG_FILE). Only static keys and session
tokens are read. A profile that gets its keys from a role, from single sign-on or from a program is refused with the command that
exports them, not answered with other keys that it may hold too; the metadata of containers and machines is never asked.

A file with secrets must not be open to everybody, as with every key file (`reference.py`). A secret becomes a `Secret` where
it is read, in functions that raise nothing, so that no traceback shows a line of these files.

Source: https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from backstay.codecs.sigv4 import ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN, AWSCredentials
from backstay.config.environment import Environment
from backstay.config.reference import file_fault, resolve
from backstay.errors import ConfigurationError
from backstay.secret import Secret

PROFILE: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
FILES: Final = (("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config"))
"""The variables that name the two files, and the names that they have in `~/.aws`."""

_HOME: Final = ("HOME", "USERPROFILE")
_KEY, _SECRET, _TOKEN = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
_OTHER_WAYS: Final = frozenset(
    {"role_arn", "web_identity_token_file", "sso_session", "sso_start_url", "login_session", "credential_process"}
)
_SECTION: Final = re.compile(r"\[\s*(?:profile\s+)?(?P<quote>[\"']?)(?P<name>.*?)(?P=quote)\s*\]\s*(?:[#;].*)?")

Fields = Mapping[str, str | Secret]


def find_credentials(environment: Environment) -> AWSCredentials | None:
    """The credentials of the environment, else those of the profile; None where there are none.

    Raises ConfigurationError where one half is missing, where a named profile is not there, and where a profile has its keys by
    a way that is not read here.
    """
    halves = {variable for variable in (ACCESS_KEY_ID, SECRET_ACCESS_KEY) if environment.get(variable)}
    if not halves:
        return _from_profile(environment)
    if missing := {ACCESS_KEY_ID, SECRET_ACCESS_KEY} - halves:
        raise ConfigurationError(f"{missing.pop()} is not set, and {halves.pop()} is. Remedy: export both")
    return AWSCredentials(
        access_key_id=environment.get(ACCESS_KEY_ID) or "",
        secret_access_key=resolve(f"env:{SECRET_ACCESS_KEY}", environment),
        session_token=resolve(f"env:{SESSION_TOKEN}", environment) if environment.get(SESSION_TOKEN) else None,
    )


def _from_profile(environment: Environment) -> AWSCredentials | None:
    named = next((name for variable in PROFILE if (name := environment.get(variable))), None)
    profile = named or "default"
    places: list[tuple[Path, Fields]] = []
    for variable, name in FILES:
        path = _path(environment, variable, name)
        fields = None if path is None else _read(path, profile)
        if path is not None and fields is not None:
            places.append((path, fields))
    ways = sorted(_OTHER_WAYS.intersection(name for _, fields in places for name in fields))
    if ways:
        raise ConfigurationError(
            f"AWS profile {profile!r} has its keys by {ways[0]}, which is not read here. "
            f'Remedy: eval "$(aws configure export-credentials --profile {profile} --format env)"'
        )
    for path, fields in places:
        if _KEY in fields or _SECRET in fields:
            return _made(path, profile, fields)
    if named is None:
        return None
    reason = "holds no keys" if places else "is in neither of AWS's files"
    raise ConfigurationError(f"AWS profile {profile!r} {reason}. Remedy: aws configure --profile {profile}")


def _path(environment: Environment, variable: str, name: str) -> Path | None:
    """The file that `variable` names, else that of the home folder; None where there is no such file."""
    home = next((Path(found) for each in _HOME if (found := environment.get(each))), None)
    given = environment.get(variable)
    if given is None:
        path = home / ".aws" / name if home is not None else None
    elif given.startswith("~/") and home is not None:
        path = home / given[2:]
    else:
        path = Path(given)
    return path if path is not None and path.is_file() else None


def _made(path: Path, profile: str, fields: Fields) -> AWSCredentials:
    fault = file_fault(path)
    if fault is not None:
        raise ConfigurationError(f"{path}: {fault}")
    key, secret, token = fields.get(_KEY), fields.get(_SECRET), fields.get(_TOKEN)
    if isinstance(key, str) and key and isinstance(secret, Secret) and not isinstance(token, str):
        return AWSCredentials(access_key_id=key, secret_access_key=secret, session_token=token)
    wrong = _KEY if not key else _TOKEN if isinstance(secret, Secret) else _SECRET
    raise ConfigurationError(f"{path}: {wrong} of profile {profile!r} is {fields.get(wrong) or 'missing'}")


def _read(path: Path, profile: str) -> Fields | None:
    """The fields of a profile; None where the file has no such section, or cannot be read. Raises nothing.

    The two secret ones are Secrets, or, where they are no text that can be a key, what is wrong with them.
    """
    try:
        lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    fields: dict[str, str | Secret] | None = None
    is_inside = False
    for line in lines:
        if section := _SECTION.fullmatch(line):
            is_inside = section["name"] == profile
            if is_inside and fields is None:
                fields = {}
        elif is_inside and fields is not None and line[:1] not in ("", " ", "\t", "#", ";"):
            name, _, value = line.partition("=")
            name = name.strip().lower()
            fields[name] = _hidden(value.strip()) if name in (_SECRET, _TOKEN) else value.strip()
    return fields


def _hidden(text: str) -> Secret | str:
    try:
        return Secret(text)
    except ValueError:
        return "no usable key"
