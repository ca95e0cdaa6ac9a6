"""HTTPRequest: what a codec makes and a transport sends; the one thing that both know.

Codecs name a path; the provider joins it to its base URL and adds the key. Header names are lower case. A header's value may
be a `Secret`, which only the transport reveals, so printing a request never shows a key.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from backstay.secret import Secret


class HTTPRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request. `url` is a path ("/chat/completions") from a codec, absolute when it is sent.

    `notes` are sentences on what the codec left out or changed so that the provider would take the request.
    """

    method: str = "POST"
    url: str
    headers: Mapping[str, str | Secret] = {}
    body: bytes = b""
    notes: tuple[str, ...] = ()
