"""Trust: a settings file that was only found may not choose where a key is sent.

`backstay.toml` in the working folder may have come with somebody's repository. If it could set `base_url`, starting the program
there would send the key in the user's environment to a stranger's server (as in CVE-2026-21852 of a coding assistant). So a
found file may point a provider that takes a key to this machine only; named by the user, with `--config` or `BACKSTAY_CONFIG`,
the same file may point it anywhere.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from backstay.codecs.registry import ProviderRow
from backstay.config.entry import Entry
from backstay.config.file import NAME, VARIABLE
from backstay.config.reference import is_reference
from backstay.config.schema import Place, dotted


def trust_faults(values: Mapping[Place, Entry], rows: Sequence[ProviderRow]) -> Iterator[str]:
    """A fault for each address of a found file that could be sent a key. `values` are the settings that count."""
    own = {row.name: row.base_url for row in rows}
    keyed = {row.name for row in rows if row.needs_key}
    for place, entry in values.items():
        is_address = place[0] == "providers" and place[-1] == "base_url" and entry.value is not None
        if not is_address or not entry.origin.startswith("file "):
            continue
        takes_key = place[1] in keyed or _has_secret(values, place[:2])
        if takes_key and entry.value != own.get(place[1]) and not _is_local(entry.value):
            yield (
                f"{entry.origin.removeprefix('file ')}: {dotted(place)}: could send a key to an address "
                "that was chosen by a file merely found in the working folder. "
                f"Remedy: if you trust it, name it: export {VARIABLE}={NAME}"
            )


def _has_secret(values: Mapping[Place, Entry], provider: Place) -> bool:
    return any(
        place[:2] == provider and place[2:3] in (("key",), ("headers",)) and is_reference(str(entry.value))
        for place, entry in values.items()
    )


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
