"""What signing in through providers needs from the world outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from odeion.domain.identity.oauth import OAuthIdentity, Provider, ProviderIdentity
from odeion.domain.shared.ids import OAuthIdentityId, UserId


class OAuthIdentityRepository(Protocol):
    async def find(self, issuer: str, subject: str) -> OAuthIdentity | None: ...

    async def list_of(self, user_id: UserId) -> list[OAuthIdentity]:
        """Oldest first."""

    async def save(self, identity: OAuthIdentity) -> OAuthIdentityId:
        """Insert or update. Raises Conflict for an identity that is another account's, or a second of one provider."""

    async def delete(self, identity: OAuthIdentity) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """One flow: where the provider sends people back to, and what ties its answer to this flow."""

    redirect_uri: str
    state: str
    nonce: str
    code_verifier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCheck:
    """One thing that was looked at. `message` is for people."""

    name: str
    ok: bool
    message: str


class ProviderFailed(Exception):
    """A provider cannot be reached, or what it sent proves nothing. The message is for administrators."""


class IdentityProviders(Protocol):
    """Talks to sign-in providers. `secret` is the provider's, opened. All raise ProviderFailed."""

    async def authorization_url(self, provider: Provider, request: AuthorizationRequest) -> str:
        """Where to send the browser."""

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
        """Who came back with `code`. `issuer` is what the answer named as its sender (RFC 9207)."""

    async def identify_native(self, provider: Provider, token: str, *, nonce: str, at: datetime) -> ProviderIdentity:
        """Whom an identity token of a native app tells of; issued in the last minutes, with the SHA-256 of `nonce`."""

    async def check(self, provider: Provider, secret: str | None) -> list[ProviderCheck]:
        """Whether it could work: required fields, addresses that answer. Signs nobody in."""
