"""Who sent a request: bearer tokens, and addresses behind trusted proxies."""

from __future__ import annotations

import ipaddress

from quart import g, has_websocket_context, request, websocket

from odeion.application.identity.caller import Caller
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.api_keys import Scope
from odeion.domain.identity.users import Role
from odeion.domain.shared.errors import Unauthorized
from odeion.entrypoints.http.context import http_settings, use_cases


def bearer_token() -> str:
    """The token of the Authorization header. Raises Unauthorized."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("sign in first: send an Authorization header with a bearer token")
    return token.strip()


async def identify(token: str, scope: Scope | None) -> Viewer:
    """Who holds this session token or API key; a key must have the scope, and gets nowhere without one. Raises
    Unauthorized, Forbidden."""
    viewer = await use_cases().identification.by_token(token, client_address())
    viewer.require_scope(scope)
    return viewer


async def require_viewer(role: Role, scope: Scope | None) -> Viewer:
    """The viewer of this request, of this role or above. Raises Unauthorized, Forbidden."""
    viewer = await identify(bearer_token(), scope)
    viewer.require(role)
    g.viewer = viewer
    return viewer


def caller() -> Caller:
    """Where the request comes from. X-Forwarded-For counts only as far as trusted proxies wrote it."""
    return Caller(user_agent=request.headers.get("User-Agent", "")[:400], address=client_address())


def comes_from_proxy() -> bool:
    """Whether a trusted proxy handed the request on."""
    return _is_trusted(request.remote_addr or "", http_settings().trusted_proxies)


def client_address() -> str:
    asking = websocket if has_websocket_context() else request
    address = asking.remote_addr or "unknown"
    trusted = http_settings().trusted_proxies
    hops = [hop.strip() for hop in asking.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    # From the nearest hop outwards: each one is believed while the one that reported it is trusted.
    while hops and _is_trusted(address, trusted):
        candidate = hops.pop()
        try:
            address = str(ipaddress.ip_address(candidate))
        except ValueError:
            break
    return address


def _is_trusted(address: str, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
