"""Sign-in providers over HTTP: OpenID Connect by discovery, and the two services that have their own ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from odeion.adapters.oauth.id_tokens import ALGORITHMS, UnknownKey, read_id_token, read_native_token
from odeion.application.identity.oauth_ports import AuthorizationRequest, ProviderCheck, ProviderFailed
from odeion.application.shared.clock import Clock
from odeion.application.shared.outbound import OutboundFailed, OutboundHttp, OutboundRequest
from odeion.domain.identity.oauth import Provider, ProviderIdentity, ProviderKind

_ISSUERS = {
    ProviderKind.GOOGLE: "https://accounts.google.com",
    ProviderKind.APPLE: "https://appleid.apple.com",
    ProviderKind.GITHUB: "https://github.com",
    ProviderKind.DISCORD: "https://discord.com",
}
_SCOPES = {
    ProviderKind.GOOGLE: "openid email profile",
    ProviderKind.OIDC: "openid email profile",
    ProviderKind.APPLE: "name email",
    ProviderKind.GITHUB: "read:user",
    ProviderKind.DISCORD: "identify",
}
# Both documents change rarely, and keys are asked for again when one is unknown.
_KEPT = timedelta(minutes=10)
_KEYS_AGAIN_AFTER = timedelta(minutes=1)
_CLIENT_SECRET_LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Service:
    """A provider without discovery: its token tells nothing, so its API is asked who it belongs to."""

    authorization_endpoint: str
    token_endpoint: str
    user_endpoint: str


_SERVICES = {
    ProviderKind.GITHUB: _Service(
        "https://github.com/login/oauth/authorize",
        "https://github.com/login/oauth/access_token",
        "https://api.github.com/user",
    ),
    ProviderKind.DISCORD: _Service(
        "https://discord.com/oauth2/authorize",
        "https://discord.com/api/oauth2/token",
        "https://discord.com/api/v10/users/@me",
    ),
}


class HttpIdentityProviders:
    """Implements IdentityProviders."""

    def __init__(self, http: OutboundHttp, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self._metadata: dict[tuple[str, bool], tuple[datetime, dict[str, Any]]] = {}
        self._keys: dict[str, tuple[datetime, KeySet]] = {}

    async def authorization_url(self, provider: Provider, request: AuthorizationRequest) -> str:
        service = _SERVICES.get(provider.kind)
        if service is not None:
            endpoint = service.authorization_endpoint
        else:
            endpoint = _endpoint(await self._discover(provider), "authorization_endpoint", provider)
        further = {
            "code_challenge": create_s256_code_challenge(request.code_verifier),
            "code_challenge_method": "S256",
            "nonce": request.nonce if service is None else None,
            # Apple answers with a form wherever a name or an address is asked for.
            "response_mode": "form_post" if provider.kind is ProviderKind.APPLE else None,
            "prompt": "select_account" if provider.kind is ProviderKind.GOOGLE else None,
        }
        url: str = prepare_grant_uri(
            endpoint,
            provider.client_id,
            "code",
            redirect_uri=request.redirect_uri,
            scope=_SCOPES[provider.kind],
            state=request.state,
            **further,
        )
        return url

    async def identify(
        self,
        provider: Provider,
        secret: str | None,
        request: AuthorizationRequest,
        *,
        code: str,
        issuer: str | None,
        at: datetime,
    ) -> ProviderIdentity:
        service = _SERVICES.get(provider.kind)
        if service is not None:
            tokens = await self._exchange(
                provider, secret, request, code, endpoint=service.token_endpoint, method="client_secret_post"
            )
            return await self._identify_by_api(provider, service, _text(tokens, "access_token"))
        metadata = await self._discover(provider)
        names_itself = metadata.get("authorization_response_iss_parameter_supported") is True
        if (issuer is not None or names_itself) and issuer != _issuer(provider):
            raise ProviderFailed("the answer came from another issuer")
        if provider.kind is ProviderKind.APPLE:
            secret, method = self._apple_secret(provider, secret, at), "client_secret_post"
        else:
            method = _auth_method(metadata, secret)
        tokens = await self._exchange(
            provider, secret, request, code, endpoint=_endpoint(metadata, "token_endpoint", provider), method=method
        )
        access_token = tokens.get("access_token")
        for again in (False, True):
            try:
                claims = read_id_token(
                    _text(tokens, "id_token"),
                    await self._key_set(provider, metadata, at, again=again),
                    algorithms=_algorithms(metadata),
                    issuer=_issuer(provider),
                    client_id=provider.client_id,
                    nonce=request.nonce,
                    access_token=access_token if isinstance(access_token, str) else None,
                    at=at,
                )
                break
            except UnknownKey:
                if again:
                    raise
        return await self._described(provider, metadata, claims, access_token)

    async def identify_native(self, provider: Provider, token: str, *, nonce: str, at: datetime) -> ProviderIdentity:
        metadata = await self._discover(provider)
        for again in (False, True):
            try:
                claims = read_native_token(
                    token,
                    await self._key_set(provider, metadata, at, again=again),
                    algorithms=_algorithms(metadata),
                    issuer=_issuer(provider),
                    client_ids=provider.native_client_ids,
                    nonce=nonce,
                    at=at,
                )
                break
            except UnknownKey:
                if again:
                    raise
        return _identity(provider, claims, claims)

    async def check(self, provider: Provider, secret: str | None) -> list[ProviderCheck]:
        missing = provider.missing
        fields = f"missing: {', '.join(missing)}" if missing else "all required fields are set"
        checks = [ProviderCheck(name="fields", ok=not missing, message=fields)]
        if provider.kind is ProviderKind.APPLE and secret is not None and not missing:
            checks.append(_checked("private_key", lambda: self._apple_secret(provider, secret, self._clock.now())))
        if provider.kind is ProviderKind.OIDC and provider.issuer is None:
            return checks
        try:
            if (service := _SERVICES.get(provider.kind)) is not None:
                await self._ask(provider, "GET", service.authorization_endpoint, wanted=None)
                return [*checks, ProviderCheck(name="reachable", ok=True, message="its sign-in page answers")]
            self._metadata.pop(_cache_key(provider), None)
            metadata = await self._discover(provider)
            _endpoint(metadata, "authorization_endpoint", provider)
            _endpoint(metadata, "token_endpoint", provider)
            checks.append(ProviderCheck(name="discovery", ok=True, message="its discovery document is in order"))
        except ProviderFailed as failed:
            return [*checks, ProviderCheck(name="discovery", ok=False, message=str(failed))]
        try:
            self._keys.pop(_endpoint(metadata, "jwks_uri", provider), None)
            await self._key_set(provider, metadata, self._clock.now(), again=False)
            return [*checks, ProviderCheck(name="keys", ok=True, message="its keys can be read")]
        except ProviderFailed as failed:
            return [*checks, ProviderCheck(name="keys", ok=False, message=str(failed))]

    async def _discover(self, provider: Provider) -> dict[str, Any]:
        """The provider's metadata (OpenID Connect Discovery 1.0)."""
        now = self._clock.now()
        key = _cache_key(provider)
        kept_until, metadata = self._metadata.get(key, (now, {}))
        if kept_until <= now:
            url = f"{_issuer(provider).rstrip('/')}/.well-known/openid-configuration"
            metadata = await self._ask(provider, "GET", url)
            if metadata.get("issuer") != _issuer(provider):
                raise ProviderFailed("its discovery document names another issuer")
            self._metadata[key] = (now + _KEPT, metadata)
        return metadata

    async def _key_set(self, provider: Provider, metadata: dict[str, Any], at: datetime, *, again: bool) -> KeySet:
        """The provider's keys. `again`: anew, unless that was done a moment ago."""
        url = _endpoint(metadata, "jwks_uri", provider)
        kept = self._keys.get(url)
        if kept is None or kept[0] + (_KEYS_AGAIN_AFTER if again else _KEPT) <= at:
            document = await self._ask(provider, "GET", url)
            try:
                # Shared secrets have no place here; with one, a forger could sign by it.
                keys = KeySet.import_key_set({"keys": [key for key in document["keys"] if key["kty"] != "oct"]})
            except (JoseError, ValueError, TypeError, KeyError):
                raise ProviderFailed("its keys cannot be read") from None
            kept = self._keys[url] = (at, keys)
        return kept[1]

    async def _exchange(
        self,
        provider: Provider,
        secret: str | None,
        request: AuthorizationRequest,
        code: str,
        *,
        endpoint: str,
        method: str,
    ) -> dict[str, Any]:
        """Trade the code for tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.5)."""
        client_id, client_secret = provider.client_id, secret
        if method == "client_secret_basic":
            # RFC 6749 section 2.3.1: both are form-encoded first.
            client_id, client_secret = quote(client_id, safe=""), quote(secret or "", safe="")
        body = prepare_token_request(
            "authorization_code", code=code, redirect_uri=request.redirect_uri, code_verifier=request.code_verifier
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        _, headers, body = ClientAuth(client_id, client_secret, method).prepare("POST", endpoint, headers, body)
        tokens = await self._ask(provider, "POST", endpoint, headers=headers, body=body.encode())
        if "error" in tokens:
            raise ProviderFailed("it refused the code")
        return tokens

    async def _identify_by_api(self, provider: Provider, service: _Service, access_token: str) -> ProviderIdentity:
        user = await self._ask(
            provider, "GET", service.user_endpoint, headers={"Authorization": f"Bearer {access_token}"}
        )
        subject = user.get("id")
        if isinstance(subject, bool) or not isinstance(subject, int | str) or not str(subject).isdigit():
            raise ProviderFailed("it did not say who signed in")
        names = {"name": user.get("login") or user.get("global_name") or user.get("username")}
        return _identity(provider, {"sub": str(subject)}, names)

    async def _described(
        self, provider: Provider, metadata: dict[str, Any], claims: dict[str, Any], access_token: object
    ) -> ProviderIdentity:
        """With name and address, which some issuers tell at their userinfo endpoint only."""
        described = claims
        if (
            not {"preferred_username", "name", "email"} & set(claims)
            and "userinfo_endpoint" in metadata
            and isinstance(access_token, str)
        ):
            endpoint = _endpoint(metadata, "userinfo_endpoint", provider)
            described = await self._ask(provider, "GET", endpoint, headers={"Authorization": f"Bearer {access_token}"})
            if described.get("sub") != claims["sub"]:
                raise ProviderFailed("its user information is about somebody else")
        return _identity(provider, claims, described)

    async def _ask(
        self,
        provider: Provider,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        wanted: int | None = 200,
    ) -> dict[str, Any]:
        """A JSON object from the provider; nothing where any status is `wanted`."""
        try:
            answer = await self._http.send(
                OutboundRequest(
                    method=method,
                    url=url,
                    headers={"Accept": "application/json", **(headers or {})},
                    body=body,
                    local_hosts=_local_hosts(provider),
                )
            )
        except OutboundFailed as failed:
            raise ProviderFailed(failed.message) from None
        if wanted is None:
            return {}
        if answer.status != wanted:
            raise ProviderFailed(f"it answered {answer.status}")
        try:
            document = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict):
            raise ProviderFailed("its answer is no JSON object")
        return document

    def _apple_secret(self, provider: Provider, private_key: str | None, at: datetime) -> str:
        """A client secret for one use: a JWT signed with the private key from Apple's developer site."""
        try:
            return jwt.encode(
                {"alg": "ES256", "kid": provider.key_id},
                {
                    "iss": provider.team_id,
                    "iat": int(at.timestamp()),
                    "exp": int((at + _CLIENT_SECRET_LIFETIME).timestamp()),
                    "aud": _ISSUERS[ProviderKind.APPLE],
                    "sub": provider.client_id,
                },
                ECKey.import_key(private_key or ""),
                algorithms=["ES256"],
            )
        except (JoseError, ValueError, TypeError):
            raise ProviderFailed("the private key is no EC key in PEM form") from None


def _checked(name: str, action: Any) -> ProviderCheck:
    try:
        action()
    except ProviderFailed as failed:
        return ProviderCheck(name=name, ok=False, message=str(failed))
    return ProviderCheck(name=name, ok=True, message="it can be used")


def _issuer(provider: Provider) -> str:
    issuer = provider.issuer or _ISSUERS.get(provider.kind)
    if issuer is None:
        raise ProviderFailed("it has no issuer")
    return issuer


def _cache_key(provider: Provider) -> tuple[str, bool]:
    return _issuer(provider), provider.allow_private_network


def _local_hosts(provider: Provider) -> frozenset[str]:
    host = urlsplit(provider.issuer or "").hostname
    return frozenset({host}) if provider.allow_private_network and host else frozenset()


def _endpoint(metadata: dict[str, Any], name: str, provider: Provider) -> str:
    """An address of the metadata, of a kind that may be asked, or given to a browser."""
    url = metadata.get(name)
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        parts = None
    is_local = parts is not None and parts.hostname in _local_hosts(provider)
    if parts is None or not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and is_local)):
        raise ProviderFailed(f"its discovery document has no usable {name}")
    return str(url)


def _auth_method(metadata: dict[str, Any], secret: str | None) -> str:
    if secret is None:
        return "none"
    known = metadata.get("token_endpoint_auth_methods_supported")
    if isinstance(known, list) and "client_secret_basic" not in known and "client_secret_post" in known:
        return "client_secret_post"
    return "client_secret_basic"


def _algorithms(metadata: dict[str, Any]) -> list[str]:
    """Those we accept of those the provider says it signs with."""
    named = metadata.get("id_token_signing_alg_values_supported")
    accepted = [name for name in ALGORITHMS if isinstance(named, list) and name in named]
    if not accepted:
        raise ProviderFailed("it signs its ID tokens in no way that is accepted")
    return accepted


def _text(tokens: dict[str, Any], name: str) -> str:
    value = tokens.get(name)
    if not isinstance(value, str) or not value:
        raise ProviderFailed(f"its answer has no {name}")
    return value


def _identity(provider: Provider, claims: dict[str, Any], described: Mapping[str, object]) -> ProviderIdentity:
    return ProviderIdentity(
        provider=provider.key,
        issuer=_issuer(provider),
        subject=claims["sub"],
        email=_shown(described.get("email")),
        display_name=_shown(described.get("preferred_username")) or _shown(described.get("name")),
    )


def _shown(value: object) -> str | None:
    """A text of the provider's that is only ever shown."""
    return value.replace("\x00", "")[:200] if isinstance(value, str) and value.strip("\x00 ") else None
