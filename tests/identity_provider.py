"""A sign-in provider in memory: OpenID Connect as far as a client meets it, and ways to break each promise once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from odeion.adapters.memory.outbound import MemoryOutboundHttp
from odeion.application.shared.outbound import OutboundRequest, OutboundResponse
from tests.clock import SteppedClock

ISSUER = "https://id.example.test"
CLIENT_ID = "odeion"
CLIENT_SECRET = "a client secret: with + and %"


def answer(document: object, status: int = 200) -> OutboundResponse:
    return OutboundResponse(status=status, headers={}, body=json.dumps(document).encode())


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class IdentityProvider:
    """`claims` are laid over those of every ID token; a None takes a claim away. `header` likewise. `algorithm` and
    `key` sign. `metadata` is laid over the discovery document."""

    clock: SteppedClock
    subject: str = "subject-1"
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] | None = None
    tokens: dict[str, Any] = field(default_factory=dict)
    algorithm: str = "RS256"
    kid: str = "key-1"
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048))
    signing_key: RSAKey | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    exchanged: list[dict[str, str]] = field(default_factory=list)

    def serve(self, http: MemoryOutboundHttp) -> None:
        http.sites[str(urlsplit(ISSUER).hostname)] = self._answer

    def authorize(self, url: str) -> dict[str, str]:
        """Somebody signs in at the page of this address: the parameters their browser comes back with."""
        parts = urlsplit(url)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{ISSUER}/authorize"
        assert asked["response_type"] == "code" and asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": ISSUER}

    def id_token(self, *, client_id: str = CLIENT_ID, nonce: str, access_token: str | None = None) -> str:
        now = int(self.clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "sub": self.subject,
            "aud": client_id,
            "exp": now + 300,
            "iat": now,
            "nonce": nonce,
            "email": "mira@example.test",
            "preferred_username": "mira",
        }
        if access_token is not None:
            claims["at_hash"] = _b64(hashlib.sha256(access_token.encode()).digest()[:16])
        claims = {name: value for name, value in {**claims, **self.claims}.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.kid, **self.header}
        if self.algorithm in ("none", "HS256"):
            # What no library signs: without a key, or with the public one as if it were a shared secret.
            signed = ".".join(_b64(json.dumps(part).encode()) for part in (header, claims))
            mac = hmac.digest(self.key.as_pem(private=False), signed.encode(), "sha256")
            return f"{signed}.{_b64(mac) if self.algorithm == 'HS256' else ''}"
        return jwt.encode(header, claims, self.signing_key or self.key, algorithms=[self.algorithm])

    def _answer(self, request: OutboundRequest) -> OutboundResponse:
        path = urlsplit(request.url).path
        if path == "/.well-known/openid-configuration":
            return answer(
                {
                    "issuer": ISSUER,
                    "authorization_endpoint": f"{ISSUER}/authorize",
                    "token_endpoint": f"{ISSUER}/token",
                    "jwks_uri": f"{ISSUER}/jwks",
                    "userinfo_endpoint": f"{ISSUER}/userinfo",
                    "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                    "authorization_response_iss_parameter_supported": True,
                    **self.metadata,
                }
            )
        if path == "/jwks":
            return answer({"keys": [{**self.key.as_dict(private=False), "kid": self.kid, "use": "sig"}]})
        if path == "/token":
            return self._exchange(request)
        if path == "/userinfo" and self.userinfo is not None:
            return answer(self.userinfo)
        return answer({}, 404)

    def _exchange(self, request: OutboundRequest) -> OutboundResponse:
        sent = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        self.exchanged.append(sent)
        asked = self.codes.pop(sent.get("code", ""), None)
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        proven = _b64(digest)
        basic = base64.b64encode(b"odeion:a%20client%20secret%3A%20with%20%2B%20and%20%25").decode()
        if (
            asked is None
            or sent.get("grant_type") != "authorization_code"
            or asked["redirect_uri"] != sent.get("redirect_uri")
            or asked["code_challenge"] != proven
            or request.headers.get("Authorization") != f"Basic {basic}"
        ):
            return answer({"error": "invalid_grant"}, 400)
        id_token = self.id_token(nonce=asked["nonce"], access_token="an access token")
        return answer({"access_token": "an access token", "token_type": "Bearer", "id_token": id_token, **self.tokens})
