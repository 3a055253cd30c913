"""How providers speak: rows and profiles as data, dialects as code. Public: `Provider`, `Key` and their parts.

`Provider.endpoints(catalog)` gives one `Endpoint` per target; `Endpoint.call(request, ...)` gives a `Call`, which holds
the bytes to send and makes the `Decoder` for the bytes that come back. Nothing here opens a socket or reads the
environment.
"""

from __future__ import annotations

from modelroute.providers.call import Call, Decoder
from modelroute.providers.endpoint import Endpoint
from modelroute.providers.key import Key
from modelroute.providers.profile import Profile
from modelroute.providers.provider import Provider

__all__ = ["Call", "Decoder", "Endpoint", "Key", "Profile", "Provider"]
