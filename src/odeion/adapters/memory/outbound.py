"""Other servers of the test harness: answers by host, without a network."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from odeion.application.shared.outbound import OutboundFailed, OutboundRequest, OutboundResponse

Site = Callable[[OutboundRequest], OutboundResponse]


class MemoryOutboundHttp:
    """Implements OutboundHttp. `sites` answer by host; `local` are the hosts that have private addresses."""

    def __init__(self) -> None:
        self.sites: dict[str, Site] = {}
        self.local: set[str] = set()
        self.asked: list[OutboundRequest] = []

    async def send(self, request: OutboundRequest) -> OutboundResponse:
        try:
            parts = urlsplit(request.url)
            host = parts.hostname
        except ValueError:
            raise OutboundFailed("this is no address") from None
        if parts.scheme != "https" and not (parts.scheme == "http" and host in request.local_hosts):
            raise OutboundFailed("only https addresses are asked")
        if not host or parts.username is not None:
            raise OutboundFailed("an address with a user or without a host is not asked")
        if host not in self.sites:
            raise OutboundFailed("the other server's name is not known")
        if host in self.local and host not in request.local_hosts:
            raise OutboundFailed("the other server's address is one of a network that is not asked")
        self.asked.append(request)
        answer = self.sites[host](request)
        if len(answer.body) > request.max_bytes:
            raise OutboundFailed("the other server's answer is too big")
        return answer
