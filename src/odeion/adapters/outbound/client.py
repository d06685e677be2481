"""The one client for asking other servers."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import cached_property

import httpx

from odeion.adapters.outbound.addresses import Address, is_local, is_public
from odeion.application.shared.outbound import OutboundFailed, OutboundRequest, OutboundResponse

_USER_AGENT = "Odeion"

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def resolve_with_system(host: str, port: int) -> list[str]:
    """All addresses of a name, also of the odd spellings of addresses that the system understands."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class HardenedHttp:
    """Implements OutboundHttp with httpx. A name is resolved once; one forbidden address among its addresses refuses
    them all; the connection goes to an address that was checked, whatever the name says a moment later."""

    def __init__(self, resolve: Resolve = resolve_with_system) -> None:
        self._resolve = resolve

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Trusts the authorities browsers trust, and the machine's own. Many servers never ask another."""
        context = httpx.create_ssl_context()
        context.load_default_certs()
        return context

    async def send(self, request: OutboundRequest) -> OutboundResponse:
        try:
            async with asyncio.timeout(request.timeout_s):
                return await self._send(request)
        except TimeoutError:
            raise OutboundFailed("the other server took too long") from None

    async def _send(self, request: OutboundRequest) -> OutboundResponse:
        try:
            url = httpx.URL(request.url)
        except (httpx.InvalidURL, ValueError, TypeError):
            raise OutboundFailed("this is no address") from None
        is_local_host = url.host in request.local_hosts
        if url.scheme != "https" and not (url.scheme == "http" and is_local_host):
            raise OutboundFailed("only https addresses are asked")
        if url.userinfo or not url.host:
            raise OutboundFailed("an address with a user or without a host is not asked")
        failure = "the other server is not reachable"
        for address in await self._addresses(url, is_local_host=is_local_host):
            try:
                return await self._ask(request, url, address)
            except httpx.ConnectError as error:
                if isinstance(error.__cause__, ssl.SSLError) or "CERTIFICATE" in str(error).upper():
                    failure = "the other server's certificate is not trusted"
            except httpx.HTTPError:
                failure = "the other server broke off"
                break
        raise OutboundFailed(failure)

    async def _addresses(self, url: httpx.URL, *, is_local_host: bool) -> list[Address]:
        try:
            resolved = await self._resolve(url.host, url.port or (443 if url.scheme == "https" else 80))
            # An IPv6 address with a zone is link-local, and no address to this parser's `is_` questions.
            addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in dict.fromkeys(resolved)]
        except (OSError, ValueError):
            addresses = []
        if not addresses:
            raise OutboundFailed("the other server's name is not known")
        for address in addresses:
            if not is_public(address) and not (is_local_host and is_local(address)):
                raise OutboundFailed("the other server's address is one of a network that is not asked")
        return addresses

    async def _ask(self, request: OutboundRequest, url: httpx.URL, address: Address) -> OutboundResponse:
        # The TLS handshake ends by itself before the whole does: cut off, it would leave a socket open.
        limits = httpx.Timeout(request.timeout_s, connect=request.timeout_s * 0.4)
        # A client of its own per request: a kept connection would be found by its address, and two names may share one.
        async with httpx.AsyncClient(
            verify=self._tls, trust_env=False, follow_redirects=False, timeout=limits
        ) as client:
            asked = client.build_request(
                request.method,
                url.copy_with(host=str(address)),
                # Compressed answers could be far larger than they are long.
                headers={
                    "User-Agent": _USER_AGENT,
                    "Accept-Encoding": "identity",
                    **request.headers,
                    "Host": url.netloc.decode("ascii"),
                },
                content=request.body or None,
                extensions={"sni_hostname": url.raw_host.decode("ascii")},
            )
            answer = await client.send(asked, stream=True)
            try:
                return await _read(answer, request.max_bytes)
            finally:
                await answer.aclose()


async def _read(answer: httpx.Response, max_bytes: int) -> OutboundResponse:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise OutboundFailed("the other server's answer is compressed though none was asked for")
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > max_bytes:
            raise OutboundFailed("the other server's answer is too big")
    return OutboundResponse(
        status=answer.status_code,
        headers={name.lower(): value for name, value in answer.headers.items()},
        body=bytes(body),
    )
