"""A person's API keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from odeion.application.identity.ports import IdentityTx
from odeion.application.shared.clock import Clock
from odeion.application.shared.secrets import SecretSource, secret_hash
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.api_keys import KEY_BYTES, MAX_KEYS_PER_USER, ApiKey, Scope, plaintext
from odeion.domain.identity.security_events import SecurityEvent, SecurityEventKind
from odeion.domain.identity.users import Role
from odeion.domain.shared.errors import Conflict, Forbidden
from odeion.domain.shared.ids import ApiKeyId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyView:
    """`hint` is how the key begins."""

    id: int
    name: str
    hint: str
    scopes: list[Scope]
    created_at: datetime
    last_used_at: datetime | None
    last_used_address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyList:
    """`enabled`: whether the keys work; without the permission they are kept, but refused."""

    enabled: bool
    items: list[ApiKeyView]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey(ApiKeyView):
    """`key` is the key itself. It is shown this once and kept nowhere."""

    key: str


class ApiKeys:
    def __init__(self, uow: UnitOfWorkFactory[IdentityTx], secrets: SecretSource, clock: Clock) -> None:
        self._uow = uow
        self._secrets = secrets
        self._clock = clock

    async def list_own(self, viewer: Viewer) -> ApiKeyList:
        return await self._list(viewer.id)

    async def list_of(self, viewer: Viewer, user_id: UserId) -> ApiKeyList:
        """Somebody's keys. Raises NotFound."""
        viewer.require(Role.ADMIN)
        return await self._list(user_id)

    async def create(self, viewer: Viewer, *, name: str, scopes: Iterable[Scope]) -> NewApiKey:
        """Raises Forbidden without the permission, Conflict for too many keys, Invalid."""
        now = self._clock.now()
        key = plaintext(self._secrets.bytes(KEY_BYTES))
        async with self._uow() as tx:
            # Held, so that two requests at once do not both find room for one more.
            owner = await tx.users.get(viewer.id, for_update=True)
            if not owner.may_use_api_keys:
                raise Forbidden("an administrator has to allow you API keys first")
            if len(await tx.api_keys.list_of(viewer.id)) >= MAX_KEYS_PER_USER:
                raise Conflict(f"there are {MAX_KEYS_PER_USER} keys already; revoke one first")
            made = ApiKey.create(
                user_id=viewer.id, name=name, key=key, key_hash=secret_hash(key), scopes=scopes, at=now
            )
            made.id = await tx.api_keys.save(made)
            await tx.trail.record(_event(SecurityEventKind.API_KEY_CREATED, made, owner.username, viewer, now))
            await tx.commit()
        view = _view(made)
        return NewApiKey(
            id=view.id,
            name=view.name,
            hint=view.hint,
            scopes=view.scopes,
            created_at=view.created_at,
            last_used_at=None,
            last_used_address=None,
            key=key,
        )

    async def revoke_own(self, viewer: Viewer, key_id: ApiKeyId) -> None:
        """Raises NotFound."""
        await self._revoke(viewer, viewer.id, key_id)

    async def revoke_of(self, viewer: Viewer, user_id: UserId, key_id: ApiKeyId) -> None:
        """Raises NotFound."""
        viewer.require(Role.ADMIN)
        await self._revoke(viewer, user_id, key_id)

    async def _list(self, user_id: UserId) -> ApiKeyList:
        async with self._uow() as tx:
            owner = await tx.users.get(user_id)
            keys = await tx.api_keys.list_of(user_id)
        return ApiKeyList(enabled=owner.may_use_api_keys, items=[_view(key) for key in keys])

    async def _revoke(self, viewer: Viewer, user_id: UserId, key_id: ApiKeyId) -> None:
        async with self._uow() as tx:
            owner = await tx.users.get(user_id)
            key = await tx.api_keys.get(user_id, key_id)
            await tx.api_keys.delete(key)
            await tx.trail.record(
                _event(SecurityEventKind.API_KEY_REVOKED, key, owner.username, viewer, self._clock.now())
            )
            await tx.commit()


def _view(key: ApiKey) -> ApiKeyView:
    assert key.id is not None
    return ApiKeyView(
        id=key.id,
        name=key.name,
        hint=key.hint,
        scopes=sorted(key.scopes),
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        last_used_address=key.last_used_address,
    )


def _event(kind: SecurityEventKind, key: ApiKey, username: str, actor: Viewer, at: datetime) -> SecurityEvent:
    return SecurityEvent(
        at=at,
        kind=kind,
        user_id=key.user_id,
        username=username,
        actor_id=actor.id,
        details={"name": key.name, "hint": key.hint, "scopes": sorted(key.scopes)},
    )
