"""Content parts as parts of Gemini's: text, data inline, and files by their address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from modelroute.providers.parts import data_url, fields, file_data, image_url, text

__all__ = ["media_obstacle", "part_of"]

_IMAGES = frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"})
_AUDIO: Mapping[str, str] = MappingProxyType(
    {"wav": "audio/wav", "mp3": "audio/mp3", "aiff": "audio/aiff", "aac": "audio/aac", "ogg": "audio/ogg",
     "flac": "audio/flac"}
)  # fmt: skip
_READ = ("text/", "audio/", "video/")
_DOCUMENTS = frozenset({"application/pdf", "application/json"}) | _IMAGES

_ALIASES: Mapping[str, str] = MappingProxyType({"image/jpg": "image/jpeg"})
_ENDINGS: Mapping[str, str] = MappingProxyType(
    {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "heic": "image/heic",
     "heif": "image/heif", "pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "html": "text/html",
     "csv": "text/csv", "json": "application/json", "mp4": "video/mp4", "mov": "video/quicktime", "webm": "video/webm",
     "mpeg": "video/mpeg", "mpg": "video/mpeg", **_AUDIO}
)  # fmt: skip
_BY_ADDRESS = re.compile(r"(?:https|gs)://", re.IGNORECASE)
_TAKEN: Mapping[str, str] = MappingProxyType(
    {
        "image_url": "images as PNG, JPEG, WebP, HEIC or HEIF, inline or by https: or gs: URL",
        "file": "PDF, text, images, audio and video, inline or by https: or gs: URL",
        "video_url": "videos inline or by https: or gs: URL",
        "input_audio": f"audio as {', '.join(_AUDIO)}",
    }
)
"""By type of part, what it may hold."""


def media_obstacle(part: Mapping[str, object]) -> str | None:
    """Return why `part` cannot be said, a clause, or `None`."""
    kind = text(part.get("type"))
    if kind in {"text", "refusal"}:
        return None
    taken = _TAKEN.get(kind)
    if taken is None:
        return f"has no part of type {kind[:40]!r}"
    if kind == "input_audio":
        sound = fields(part.get("input_audio"))
        fits = bool(text(sound.get("data"))) and _format(sound) in _AUDIO
    else:
        address = _address(part)
        inline = data_url(address)
        fits = _reads(kind, _mime(inline[0])) if inline else bool(_BY_ADDRESS.match(address))
    return None if fits else f"cannot take this {kind} part (it takes {taken})"


def part_of(part: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return `part` in Gemini's words, `None` where it is empty."""
    kind = part.get("type")
    if kind == "input_audio":
        sound = fields(part.get("input_audio"))
        data = text(sound.get("data"))
        inline = data_url(data)
        return _inline(_AUDIO.get(_format(sound), "audio/wav"), inline[1] if inline else data)
    if kind in _TAKEN:
        return _media(_address(part), text(fields(part.get("file")).get("filename")))
    words = text(part.get("text")) or text(part.get("refusal"))
    return {"text": words} if words else None


def _address(part: Mapping[str, object]) -> str:
    """Return the URL of a part's media, ``data:`` or other."""
    kind = part.get("type")
    if kind == "image_url":
        return image_url(part)
    if kind == "video_url":
        stated = part.get("video_url")
        return stated if isinstance(stated, str) else text(fields(stated).get("url"))
    return file_data(part) or text(fields(part.get("file")).get("file_id"))


def _media(address: str, name: str = "") -> Mapping[str, object]:
    inline = data_url(address)
    if inline:
        return _inline(_mime(inline[0]), inline[1])
    data: dict[str, object] = {"fileUri": address}
    path = address.partition("?")[0].partition("#")[0]
    ending = (name or path.rpartition("/")[2]).rpartition(".")[2].lower()
    if ending in _ENDINGS:
        data["mimeType"] = _ENDINGS[ending]
    return {"fileData": data}


def _inline(mime: str, data: str) -> Mapping[str, object]:
    return {"inlineData": {"mimeType": mime, "data": data}}


def _reads(kind: str, mime: str) -> bool:
    if kind == "image_url":
        return mime in _IMAGES
    if kind == "video_url":
        return mime.startswith("video/")
    return mime in _DOCUMENTS or mime.startswith(_READ)


def _mime(mime: str) -> str:
    return _ALIASES.get(mime, mime)


def _format(sound: Mapping[str, object]) -> str:
    return text(sound.get("format")).lower()
