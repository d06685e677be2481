"""Asking other servers, without being led astray by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from odeion.domain.shared.errors import Unavailable


class OutboundFailed(Unavailable):
    """No answer that may be used: refused by our rules, not reachable, too slow or too big. The message is for people
    and says nothing of what was received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundRequest:
    """`local_hosts` are those an administrator named as part of the local network: only they may have private or
    loopback addresses, and be asked over plain http. Redirects are never followed."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    local_hosts: frozenset[str] = frozenset()
    max_bytes: int = 1024 * 1024
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundResponse:
    """Header names are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class OutboundHttp(Protocol):
    async def send(self, request: OutboundRequest) -> OutboundResponse:
        """Any status is an answer. Raises OutboundFailed."""
