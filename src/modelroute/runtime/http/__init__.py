"""The one place that speaks HTTP: exchanges with exact limits over our own connections, in sync and on asyncio.

Internal, except `HttpOptions`. Only modules in this package may import httpx, httpx2 or their cores.

```
SyncHttp / AsyncHttp     open(HttpRequest, Limit) -> exchange: status, headers, read(), close()
  lanes, routes          idle connections per origin; proxy and certificates, chosen once per origin
  sync_/async_backend    sockets under httpcore; every step asks the attempt's Wire what is left
  exchange, decoding     the body, bounded
  supplied               the same over a client the user handed in
```

What reaches the caller is `HttpUnreachable`, `HttpTimeout`, `HttpBroken`, or his own interrupt or cancellation.
"""

from modelroute.runtime.http.async_http import AsyncHttp
from modelroute.runtime.http.errors import HttpBroken, HttpError, HttpTimeout, HttpUnreachable, Phase
from modelroute.runtime.http.exchange import AsyncExchange, SyncExchange
from modelroute.runtime.http.options import HttpOptions, HttpRequest, Limit
from modelroute.runtime.http.sync_http import SyncHttp

__all__ = [
    "AsyncExchange",
    "AsyncHttp",
    "HttpBroken",
    "HttpError",
    "HttpOptions",
    "HttpRequest",
    "HttpTimeout",
    "HttpUnreachable",
    "Limit",
    "Phase",
    "SyncExchange",
    "SyncHttp",
]
