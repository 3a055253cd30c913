"""What an error response says, whatever envelope it comes in: one record from a dozen shapes, none trusted.

Shapes read (the field's, as of 2026-11): OpenAI ``{"error": {message, type, param, code}}`` and its flat form,
Anthropic ``{"type": "error", "error": {...}}``, Google ``{"error": {code, status, details}}`` also inside a list, xAI
``{"code", "error": text}``, MiniMax ``{"base_resp": {...}}``, OpenRouter's ``metadata`` with what an upstream said
(``raw``, which may be JSON in text), FastAPI ``{"detail": ...}``, AWS ``{"Message"}``, a bare ``{"error": text}``, any
of them as the data of an event stream; else plain text or the title of an HTML page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelroute.wire.errors import GarbledError
from modelroute.wire.fields import as_list, as_mapping, as_text
from modelroute.wire.json import loads
from modelroute.wire.secrets import redact

__all__ = ["LONGEST_MESSAGE", "ErrorInfo", "parse_error", "read_error"]

LONGEST_MESSAGE = 500
"""Characters of a provider's own words that are kept: enough for every documented message, too few for a prompt."""

_LARGEST_READ = 1024 * 1024
_LONGEST_CODE = 100
_MESSAGES = ("message", "Message", "detail", "msg")
_NESTED = ("error", "message", "detail", "msg", "raw")
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,200})", re.IGNORECASE)
_EVENT_DATA = re.compile(rb"^data: ?(\{[^\r\n]*)", re.MULTILINE)
_HTTP_STATUS = re.compile(r"[1-5]\d\d", re.ASCII)
_STATUSES = ("status_code", "http_code", "raw_status_code", "status")


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """What an error response says. Every text is bounded, on one line and without keys; absent is `None` or ``""``.

    `code` and `type` as sent (numbers as text), `message` the words, `param` the parameter blamed, `status` Google's
    canonical word (``RESOURCE_EXHAUSTED``). `reason`: a more specific code from the details (Google
    `ErrorInfo.reason`, Anthropic ``details.error_code``, Azure ``innererror.code``, OpenRouter ``limit_source`` or the
    upstream's own code). `quotas`: Google's ids of the quotas violated. `delay`: the wait as sent, where the body says
    it (Google ``retryDelay``, the reset among OpenRouter's ``metadata.headers``). `http`: the status that the body
    says it should have had beside its code, 0 if it says none. `found` is false where the body is no error envelope.
    """

    code: str | None = None
    type: str | None = None
    message: str = ""
    param: str | None = None
    status: str | None = None
    reason: str | None = None
    quotas: tuple[str, ...] = ()
    delay: str | None = None
    http: int = 0
    found: bool = True

    @property
    def codes(self) -> tuple[str, ...]:
        """Every machine-readable word of the error, the most specific first."""
        return tuple(code for code in (self.reason, self.code, self.status, self.type) if code)

    @property
    def meant(self) -> int:
        """The HTTP status that the error should have had by its own word, 0 if it has none."""
        return int(self.code) if self.code and _HTTP_STATUS.fullmatch(self.code) else self.http

    @property
    def label(self) -> str | None:
        """The one word to show a person: the most specific that is more than the HTTP status repeated."""
        return next((code for code in self.codes if not _HTTP_STATUS.fullmatch(code)), self.code)


_NOTHING = ErrorInfo(found=False)


def parse_error(body: bytes | str) -> ErrorInfo:
    """Return what the body of an error response says. Total: any bytes give an `ErrorInfo`."""
    data = body.encode("utf-8", "replace") if isinstance(body, str) else body
    if len(data) <= _LARGEST_READ:
        start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        event = None if start in b"{[" else _EVENT_DATA.search(data)
        try:
            return read_error(loads(event.group(1) if event else data))
        except GarbledError:
            pass
    text = data[: 4 * LONGEST_MESSAGE].decode("utf-8", "replace")
    title = _TITLE.search(text)
    if title:
        return ErrorInfo(message=f"HTML page: {_words(title.group(1))}", found=False)
    return ErrorInfo(message="HTML page" if text.lstrip().startswith("<") else _words(text), found=False)


def read_error(value: object) -> ErrorInfo:
    """Return what a decoded JSON value says as an error; `found` is false when it does not look like one."""
    if as_list(value):
        first = as_mapping(as_list(value)[0])
        return read_error(first) if first else _NOTHING
    outer = as_mapping(value)
    base = as_mapping(outer.get("base_resp"))
    code = _code(base.get("status_code"))
    if code not in (None, "0"):
        return ErrorInfo(code=code, message=_words(as_text(base.get("status_msg"))))
    error = outer.get("error")
    fields = as_mapping(error) or as_mapping(next(iter(as_list(error)), None))
    if fields:
        return _from_fields(fields, outer)
    if isinstance(error, str) and error:
        return ErrorInfo(code=_code(outer.get("code")), type=_code(outer.get("type")), message=_words(error))
    if _is_flat(outer):
        return _from_fields(outer, outer)
    return _NOTHING


def _is_flat(outer: Mapping[str, object]) -> bool:
    if "choices" in outer or "content" in outer:
        return False
    return (
        any(name in outer for name in ("message", "Message", "detail", "msg", "__type"))
        or outer.get("object") == "error"
    )


def _from_fields(error: Mapping[str, object], outer: Mapping[str, object]) -> ErrorInfo:
    reason, quotas, delay = _details(error)
    words = next((error[name] for name in _MESSAGES if error.get(name)), "")
    message, param = _message(words)
    metadata = as_mapping(error.get("metadata"))
    upstream = _upstream(metadata.get("raw"))
    told = [*upstream.codes[:1], upstream.message] if upstream.found else [upstream.message]
    flagged = ", ".join(text for text in as_list(metadata.get("reasons"))[:8] if isinstance(text, str))
    said = (message, _words(" ".join(filter(None, told))), f"flagged for {flagged}" if flagged else "")
    kind = error.get("type", as_text(error.get("__type")).rpartition("#")[2])
    return ErrorInfo(
        code=_code(error.get("code", outer.get("code"))),
        type=None if kind == "error" else _code(kind),
        message=_words(": ".join(filter(None, said))),
        param=_code(error.get("param")) or param,
        status=_code(error.get("status")) if isinstance(error.get("status"), str) else None,
        reason=reason or next((code for code in upstream.codes if not _HTTP_STATUS.fullmatch(code)), None),
        quotas=quotas,
        delay=delay,
        http=next(filter(None, (_http(error.get(name)) for name in _STATUSES)), 0),
    )


def _details(error: Mapping[str, object]) -> tuple[str | None, tuple[str, ...], str | None]:
    """Return (reason, quota ids, retry delay) from wherever this provider nests its particulars."""
    nested, metadata = error.get("details"), as_mapping(error.get("metadata"))
    reason = (
        _code(as_mapping(nested).get("error_code"))
        or _code(as_mapping(error.get("innererror")).get("code"))
        or _code(metadata.get("limit_source"))
    )
    quotas: list[str] = []
    delay = _reset(as_mapping(metadata.get("headers")))
    for item in as_list(nested)[:32]:
        detail = as_mapping(item)
        reason = reason or _code(detail.get("reason"))
        delay = delay or _code(detail.get("retryDelay"))
        for violation in as_list(detail.get("violations"))[:32]:
            quota = _code(as_mapping(violation).get("quotaId"))
            if quota:
                quotas.append(quota)
    return reason, tuple(quotas), delay


def _reset(headers: Mapping[str, object]) -> str | None:
    """Return when the limit is reset of which nothing is left, from headers that a body repeats."""
    lower = {name.lower(): _code(value) for name, value in headers.items()}
    return lower.get("x-ratelimit-reset") if lower.get("x-ratelimit-remaining") == "0" else None


def _message(words: object) -> tuple[str, str | None]:
    """Return (message, parameter blamed), from text or a validator's problems, without the input those echo."""
    problems: Sequence[object] = as_list(words)
    for _ in range(3):
        fields = as_mapping(words)
        if problems or not fields:
            break
        words = next((fields[name] for name in _NESTED if fields.get(name)), "")
        problems = as_list(words)
    if not problems:
        return _words(as_text(words)), None
    parts: list[str] = []
    param: str | None = None
    for problem in problems[:5]:
        fields = as_mapping(problem)
        places = [str(place)[:60] for place in as_list(fields.get("loc"))[:8] if isinstance(place, str | int)]
        place = ".".join(places[1:] if places[:1] == ["body"] else places)
        param = param or place or None
        said = as_text(fields.get("msg")) or as_text(problem)
        parts.append(f"{place}: {said}" if place else said)
    return _words("; ".join(parts)), _code(param)


def _upstream(raw: object) -> ErrorInfo:
    """Return what a provider behind the provider said; its body is passed on as text, which is often JSON, or whole."""
    if isinstance(raw, str):
        if not raw.lstrip().startswith(("{", "[")):
            return ErrorInfo(message=_words(raw), found=False)
        try:
            raw = loads(raw[:_LARGEST_READ])
        except GarbledError:
            return ErrorInfo(message=_words(as_text(raw)), found=False)
    body = as_mapping(raw)
    error = body.get("error")
    inner = as_mapping(error)
    if not inner and _is_flat(body):
        inner = body
    if not inner:
        return ErrorInfo(message=_words(as_text(error)), found=False)
    message, _ = _message(next((inner[name] for name in _MESSAGES if inner.get(name)), ""))
    kind = inner.get("type")
    return ErrorInfo(_code(inner.get("code")), None if kind == "error" else _code(kind), message)


def _words(text: str) -> str:
    return redact(text, limit=LONGEST_MESSAGE)


def _code(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else None
    return redact(value, limit=_LONGEST_CODE) or None


def _http(value: object) -> int:
    code = _code(value)
    return int(code) if code is not None and _HTTP_STATUS.fullmatch(code) else 0
