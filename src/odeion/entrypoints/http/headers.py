"""Headers that many answers have."""

from __future__ import annotations

from typing import Protocol


class _Headers(Protocol):
    def setdefault(self, key: str, default: str, /) -> object: ...


def secure(headers: _Headers, path: str) -> None:
    """What every answer says to browsers. Pages of the web app bring a policy of their own."""
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
    if path.startswith("/api/"):
        headers.setdefault("Cache-Control", "no-store")
