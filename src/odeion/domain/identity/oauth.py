"""Sign-in providers and the identities they vouch for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import cast
from urllib.parse import urlsplit

from odeion.domain.shared.errors import BadRequest, FieldError, Invalid
from odeion.domain.shared.ids import OAuthIdentityId, UserId

MAX_PROVIDERS = 20

_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_RETURN_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%?/-]*")
_NOT_IN_USERNAMES = re.compile(r"[^\w.@+-]+")


class ProviderKind(StrEnum):
    """OIDC is any issuer that tells of itself by discovery; of the others there is one each."""

    GOOGLE = "google"
    GITHUB = "github"
    DISCORD = "discord"
    APPLE = "apple"
    OIDC = "oidc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A sign-in provider as an administrator set it up. `key` is its name in addresses; that of a known service is the
    service's. The secret of Apple is a private key (PEM), with which short-lived client secrets are signed.

    `client_id` is empty for an Apple that serves native apps only; `native_client_ids` are those apps.
    `allow_private_network` says that the issuer's host may be one of the local network."""

    key: str
    kind: ProviderKind
    display_name: str
    enabled: bool
    client_id: str
    sealed_secret: bytes | None = None
    issuer: str | None = None
    team_id: str | None = None
    key_id: str | None = None
    native_client_ids: tuple[str, ...] = ()
    allow_private_network: bool = False

    @property
    def missing(self) -> list[str]:
        """The fields without which nobody can sign in."""
        needed: dict[str, object] = {"client_id": self.client_id}
        if self.kind is ProviderKind.APPLE:
            # Native apps bring a token of their own; only the web flow needs the rest.
            if self.native_client_ids and not self.client_id:
                return []
            needed |= {"client_secret": self.sealed_secret, "team_id": self.team_id, "key_id": self.key_id}
        elif self.kind is ProviderKind.OIDC:
            # Public clients have no secret: PKCE protects their codes.
            needed["issuer"] = self.issuer
        else:
            needed["client_secret"] = self.sealed_secret
        return [name for name, value in needed.items() if not value]

    @property
    def has_web_flow(self) -> bool:
        return bool(self.client_id)

    def keeps_secret_of(self, earlier: Provider) -> bool:
        """Whether `earlier`'s secret would go to the same place: a secret that nobody can read must not be sent to
        whatever address somebody enters next."""
        return (self.kind, self.issuer, self.client_id) == (earlier.kind, earlier.issuer, earlier.client_id)


def check_providers(providers: Sequence[Provider]) -> None:
    """Raises Invalid for keys that are no keys, or given twice, and for issuers that are no addresses."""
    faults: list[FieldError] = []
    seen: set[str] = set()
    for index, provider in enumerate(providers):
        where = f"body.providers.{index}"
        if not _KEY.fullmatch(provider.key):
            faults.append(FieldError(f"{where}.key", "1 to 32 small letters, digits or hyphens"))
        elif provider.key in seen:
            faults.append(FieldError(f"{where}.key", "this key is given twice"))
        elif provider.key != provider.kind and (provider.kind is not ProviderKind.OIDC or provider.key in _SERVICES):
            faults.append(FieldError(f"{where}.key", "the key of a known service is its kind"))
        seen.add(provider.key)
        if provider.issuer is not None and (reason := _issuer_fault(provider)):
            faults.append(FieldError(f"{where}.issuer", reason))
        if provider.enabled:
            faults += [FieldError(f"{where}.{name}", "needed before it can be enabled") for name in provider.missing]
    if faults:
        raise Invalid("these providers cannot be used", fields=faults)


_SERVICES = {kind.value for kind in ProviderKind if kind is not ProviderKind.OIDC}


def _issuer_fault(provider: Provider) -> str | None:
    if provider.kind is not ProviderKind.OIDC:
        return "only an OIDC provider has an issuer of its own"
    try:
        parts = urlsplit(provider.issuer or "")
        parts.port  # noqa: B018 - raises for a port that is none
    except ValueError:
        return "this is no address"
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        return "an address like https://id.example.org/realms/home"
    if parts.scheme == "https" or (parts.scheme == "http" and provider.allow_private_network):
        return None
    return "it must begin with https:// (http:// only with allow_private_network)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderIdentity:
    """Somebody a provider vouches for. Only issuer and subject say who it is: addresses and names change hands."""

    provider: str
    issuer: str
    subject: str
    email: str | None = None
    display_name: str | None = None

    @property
    def suggested_username(self) -> str:
        """A name to begin with; may be taken, or empty."""
        local_part = (self.email or "").partition("@")[0]
        words = (self.display_name or local_part).strip().lower()
        return _NOT_IN_USERNAMES.sub("-", words).strip("-.")[:64]

    def as_json(self) -> dict[str, str | None]:
        return {
            "provider": self.provider,
            "issuer": self.issuer,
            "subject": self.subject,
            "email": self.email,
            "display_name": self.display_name,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, str | None]) -> ProviderIdentity:
        return cls(**cast(Mapping[str, str], value))


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthIdentity:
    """A provider's identity that belongs to an account. At most one of each provider."""

    id: OAuthIdentityId | None
    user_id: UserId
    provider: str
    issuer: str
    subject: str
    email: str | None
    display_name: str | None
    created_at: datetime
    last_used_at: datetime | None = None

    @classmethod
    def link(cls, user_id: UserId, identity: ProviderIdentity, *, at: datetime) -> OAuthIdentity:
        return cls(id=None, user_id=user_id, created_at=at, **identity.as_json())  # type: ignore[arg-type]

    def used(self, identity: ProviderIdentity, *, at: datetime) -> OAuthIdentity:
        """Signed in with, and called as the provider calls it now."""
        return replace(self, email=identity.email, display_name=identity.display_name, last_used_at=at)


class FlowError(StrEnum):
    """How a flow ended that did not end well, in words of ours: nothing a provider wrote is shown to people."""

    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PROVIDER_FAILED = "provider_failed"
    SIGNED_OUT = "signed_out"
    LINKED_ELSEWHERE = "linked_elsewhere"
    ANOTHER_LINKED = "another_linked"


def require_return_path(path: str) -> str:
    """A path of ours to go back to afterwards. Raises BadRequest for what a browser could take for another site's
    address."""
    if not _RETURN_PATH.fullmatch(path) or path.startswith("//") or len(path) > 500:
        raise BadRequest("return_path must be a path of this site, such as /account")
    return path
