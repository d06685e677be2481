"""Sign-in providers as administrators set them up."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from odeion.application.identity.caller import Caller
from odeion.application.identity.oauth_ports import IdentityProviders, ProviderCheck
from odeion.application.identity.ports import IdentityTx
from odeion.application.identity.trail import security_event
from odeion.application.shared.clock import Clock
from odeion.application.shared.links import Links
from odeion.application.shared.secrets import SecretBox
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.oauth import Provider, ProviderKind, check_providers
from odeion.domain.identity.security_events import SecurityEventKind
from odeion.domain.identity.users import Role
from odeion.domain.shared.errors import FieldError, Invalid, NotFound

_SETTING = "oauth_providers"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderView:
    """The secret is never shown, only whether there is one. `missing` names the fields without which nobody can sign
    in. `redirect_uri` is what to enter at the provider; null while the server has no base URL."""

    key: str
    kind: ProviderKind
    display_name: str
    enabled: bool
    client_id: str
    has_client_secret: bool
    issuer: str | None
    team_id: str | None
    key_id: str | None
    native_client_ids: list[str]
    allow_private_network: bool
    redirect_uri: str | None
    missing: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthSettingsView:
    providers: list[ProviderView]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnabledProvider:
    """A button of the sign-in page."""

    key: str
    kind: ProviderKind
    display_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnabledProviders:
    items: list[EnabledProvider]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTest:
    """`ok` if every check is."""

    ok: bool
    checks: list[ProviderCheck]


class OAuthSettings:
    def __init__(
        self,
        uow: UnitOfWorkFactory[IdentityTx],
        providers: IdentityProviders,
        box: SecretBox,
        links: Links,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._providers = providers
        self._box = box
        self._links = links
        self._clock = clock

    async def list_enabled(self) -> EnabledProviders:
        """Those that can be used from a browser."""
        async with self._uow() as tx:
            enabled = await enabled_providers(tx)
        return EnabledProviders(
            items=[
                EnabledProvider(key=provider.key, kind=provider.kind, display_name=provider.display_name)
                for provider in enabled
                if provider.has_web_flow
            ]
        )

    async def get(self, viewer: Viewer) -> OAuthSettingsView:
        viewer.require(Role.ADMIN)
        async with self._uow() as tx:
            return self._view(await _load(tx))

    async def put(
        self, viewer: Viewer, wanted: Sequence[tuple[Provider, str | None]], caller: Caller
    ) -> OAuthSettingsView:
        """Set all providers, each with its secret, or None to keep the one it has. Raises Invalid."""
        viewer.require(Role.ADMIN)
        async with self._uow() as tx:
            earlier = {provider.key: provider for provider in await _load(tx)}
            providers = [self._with_secret(provider, secret, earlier.get(provider.key)) for provider, secret in wanted]
            check_providers(providers)
            await tx.settings.put(_SETTING, [_as_json(provider) for provider in providers], at=self._clock.now())
            await tx.trail.record(
                security_event(
                    SecurityEventKind.OAUTH_SETTINGS_CHANGED,
                    None,
                    viewer,
                    caller,
                    at=self._clock.now(),
                    enabled=[provider.key for provider in providers if provider.enabled],
                    disabled=[provider.key for provider in providers if not provider.enabled],
                    removed=sorted(set(earlier) - {provider.key for provider in providers}),
                )
            )
            await tx.commit()
        return self._view(providers)

    async def test(self, viewer: Viewer, key: str) -> ProviderTest:
        """Look whether a provider, enabled or not, could work. Raises NotFound."""
        viewer.require(Role.ADMIN)
        async with self._uow() as tx:
            provider = next((provider for provider in await _load(tx) if provider.key == key), None)
        if provider is None:
            raise NotFound("there is no such provider")
        base_url = self._links.base_url
        checks = [
            ProviderCheck(
                name="base_url",
                ok=base_url is not None,
                message=f"people come back to {self._links.to(callback_path(key))}"
                if base_url
                else "set the server's base URL first (ODEION_BASE_URL)",
            ),
            *await self._providers.check(provider, open_secret(self._box, provider)),
        ]
        return ProviderTest(ok=all(check.ok for check in checks), checks=checks)

    def _with_secret(self, provider: Provider, secret: str | None, earlier: Provider | None) -> Provider:
        if secret is not None:
            return replace(provider, sealed_secret=self._box.seal(secret.encode(), purpose=_purpose(provider.key)))
        # Without a client there is nobody to prove to be: one for native apps only.
        if earlier is None or earlier.sealed_secret is None or not provider.client_id:
            return provider
        if not provider.keeps_secret_of(earlier):
            raise Invalid(
                "enter the secret again",
                fields=[FieldError("body.providers", f"{provider.key}: its secret is for another issuer or client")],
            )
        return replace(provider, sealed_secret=earlier.sealed_secret)

    def _view(self, providers: Sequence[Provider]) -> OAuthSettingsView:
        return OAuthSettingsView(
            providers=[
                ProviderView(
                    key=provider.key,
                    kind=provider.kind,
                    display_name=provider.display_name,
                    enabled=provider.enabled,
                    client_id=provider.client_id,
                    has_client_secret=provider.sealed_secret is not None,
                    issuer=provider.issuer,
                    team_id=provider.team_id,
                    key_id=provider.key_id,
                    native_client_ids=list(provider.native_client_ids),
                    allow_private_network=provider.allow_private_network,
                    redirect_uri=self._links.to(callback_path(provider.key)) if self._links.base_url else None,
                    missing=provider.missing,
                )
                for provider in providers
            ]
        )


async def enabled_providers(tx: IdentityTx) -> list[Provider]:
    return [provider for provider in await _load(tx) if provider.enabled]


async def get_enabled(tx: IdentityTx, key: str) -> Provider:
    """Raises NotFound for a provider that is not there, or switched off."""
    for provider in await enabled_providers(tx):
        if provider.key == key:
            return provider
    raise NotFound("there is no such provider")


def open_secret(box: SecretBox, provider: Provider) -> str | None:
    """Raises Unavailable after a change of the server's key."""
    if provider.sealed_secret is None:
        return None
    return box.open(provider.sealed_secret, purpose=_purpose(provider.key)).decode()


def callback_path(key: str) -> str:
    return f"/api/auth/oauth/callback/{key}"


def _purpose(key: str) -> str:
    return f"secret of provider {key}"


async def _load(tx: IdentityTx) -> list[Provider]:
    stored = cast(list[dict[str, Any]], await tx.settings.find(_SETTING) or [])
    return [_from_json(entry) for entry in stored]


def _as_json(provider: Provider) -> dict[str, Any]:
    sealed = provider.sealed_secret
    return {
        **asdict(provider),
        "kind": provider.kind.value,
        "sealed_secret": base64.b64encode(sealed).decode() if sealed is not None else None,
        "native_client_ids": list(provider.native_client_ids),
    }


def _from_json(entry: dict[str, Any]) -> Provider:
    sealed = entry["sealed_secret"]
    return Provider(
        **{
            **entry,
            "kind": ProviderKind(entry["kind"]),
            "sealed_secret": base64.b64decode(sealed) if sealed is not None else None,
            "native_client_ids": tuple(entry["native_client_ids"]),
        }
    )
