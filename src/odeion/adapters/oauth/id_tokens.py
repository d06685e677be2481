"""Reading ID tokens: signature, then every claim by type and value (OpenID Connect Core 1.0, section 3.1.3.7)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from hmac import compare_digest
from typing import Any, TypeGuard

from authlib.oidc.core.util import create_half_hash
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from odeion.application.identity.oauth_ports import ProviderFailed

# All with a key pair: a key that is public can never be what a token was made with.
ALGORITHMS = ("RS256", "ES256", "EdDSA", "PS256", "RS384", "ES384", "PS384", "RS512", "ES512", "PS512")

_MAX_LENGTH = 16_384
# Clocks differ a little.
_LEEWAY_S = 60
# How old a token of a native app may be: it was made for this moment.
NATIVE_LIFETIME_S = 600


class IdTokenRefused(ProviderFailed):
    """The token is no proof; the message says why."""


class UnknownKey(IdTokenRefused):
    """It names a key that is not in the set; a newer set may have it."""


def read_id_token(
    token: str,
    keys: KeySet,
    *,
    algorithms: Sequence[str],
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str | None,
    at: datetime,
) -> dict[str, Any]:
    """The claims of a token that was made for this client and this flow. Raises IdTokenRefused."""
    header, claims = _verified(token, keys, algorithms)
    _check_common(claims, issuer, [client_id], at)
    if not _same(claims.get("nonce"), nonce):
        raise IdTokenRefused("its ID token belongs to another flow")
    at_hash = claims.get("at_hash")
    if at_hash is not None and access_token is not None:
        expected = create_half_hash(access_token, header["alg"])
        if expected is None or not _same(at_hash, expected.decode()):
            raise IdTokenRefused("its ID token belongs to another access token")
    return claims


def read_native_token(
    token: str,
    keys: KeySet,
    *,
    algorithms: Sequence[str],
    issuer: str,
    client_ids: Sequence[str],
    nonce: str,
    at: datetime,
) -> dict[str, Any]:
    """The claims of a token a native app got: made just now, for one of our apps, with the SHA-256 of `nonce`, which
    only the app that asked for it knows. Raises IdTokenRefused."""
    _, claims = _verified(token, keys, algorithms)
    _check_common(claims, issuer, client_ids, at)
    if claims["iat"] < at.timestamp() - NATIVE_LIFETIME_S:
        raise IdTokenRefused("its ID token is too old")
    if not _same(claims.get("nonce"), hashlib.sha256(nonce.encode()).hexdigest()):
        raise IdTokenRefused("its ID token belongs to another nonce")
    return claims


def _verified(token: str, keys: KeySet, algorithms: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    if len(token) > _MAX_LENGTH:
        raise IdTokenRefused("its ID token is too long")
    try:
        read = jwt.decode(token, keys, algorithms=list(algorithms))
    except InvalidKeyIdError:
        raise UnknownKey("its ID token is signed with an unknown key") from None
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise IdTokenRefused("its ID token is not signed by it") from None
    return read.header, read.claims


def _check_common(claims: dict[str, Any], issuer: str, client_ids: Sequence[str], at: datetime) -> None:
    now = at.timestamp()
    if not _same(claims.get("iss"), issuer):
        raise IdTokenRefused("its ID token is of another issuer")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or not all(isinstance(entry, str) for entry in audiences):
        raise IdTokenRefused("its ID token has no audience")
    ours = [client_id for client_id in client_ids if client_id in audiences]
    if not ours:
        raise IdTokenRefused("its ID token is for another client")
    authorized = claims.get("azp")
    if (authorized is not None or len(audiences) > 1) and authorized not in ours:
        raise IdTokenRefused("its ID token was given to another client")
    expires, issued, not_before = claims.get("exp"), claims.get("iat"), claims.get("nbf", 0)
    if not (_is_number(expires) and _is_number(issued) and _is_number(not_before)):
        raise IdTokenRefused("its ID token has no times")
    if now >= expires + _LEEWAY_S:
        raise IdTokenRefused("its ID token has expired")
    if max(issued, not_before) > now + _LEEWAY_S:
        raise IdTokenRefused("its ID token is from the future")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or "\x00" in subject:
        raise IdTokenRefused("its ID token names nobody")


def _same(claim: object, expected: str) -> bool:
    return isinstance(claim, str) and compare_digest(claim.encode(), expected.encode())


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
