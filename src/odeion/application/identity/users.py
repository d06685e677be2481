"""Everybody's accounts, for administrators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from odeion.application.identity.caller import Caller
from odeion.application.identity.login_sessions import end_sessions
from odeion.application.identity.ports import IdentityTx, PasswordHasher
from odeion.application.identity.trail import security_event
from odeion.application.identity.views import UserView
from odeion.application.shared.clock import Clock
from odeion.application.shared.page import Page, PageRequest, SortOrder
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.security_events import SecurityEventKind
from odeion.domain.identity.users import Role, check_password_rules
from odeion.domain.shared.errors import Conflict, FieldError, Forbidden, Invalid
from odeion.domain.shared.ids import LibraryId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSummary(UserView):
    """An account as administrators see it. `last_seen_at` is when one of its sessions last got a new token."""

    locked: bool
    active_sessions: int
    last_seen_at: datetime | None


class UserSort(StrEnum):
    USERNAME = "username"
    CREATED = "created_at"
    LAST_SEEN = "last_seen_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFilter:
    """`search` is a part of the user name or of the display name, ignoring case."""

    search: str | None = None
    role: Role | None = None
    locked: bool | None = None
    sort: UserSort = UserSort.USERNAME
    order: SortOrder = SortOrder.ASC


class UserQueries(Protocol):
    async def list_users(self, viewer: Viewer, where: UserFilter, page: PageRequest) -> Page[UserSummary]: ...

    async def get_user(self, viewer: Viewer, user_id: UserId) -> UserSummary:
        """Raises NotFound."""


class Users:
    def __init__(self, uow: UnitOfWorkFactory[IdentityTx], hasher: PasswordHasher, clock: Clock) -> None:
        self._uow = uow
        self._hasher = hasher
        self._clock = clock

    async def change(
        self,
        viewer: Viewer,
        user_id: UserId,
        caller: Caller,
        *,
        role: Role | None = None,
        locked: bool | None = None,
        password: str | None = None,
        username: str | None = None,
        permissions: Mapping[str, Any] | None = None,
    ) -> None:
        """Change what is given. A new role, lock or password ends the person's sessions; permissions hold from their
        next request on. Raises NotFound, Invalid, Forbidden for one's own role, lock or password, Conflict for a taken
        name or for the last administrator's role or lock."""
        viewer.require(Role.ADMIN)
        password_hash = None
        if password is not None:
            check_password_rules(password)
            password_hash = await self._hasher.hash(password)
        now = self._clock.now()
        async with self._uow() as tx:
            administrators = await tx.users.hold_administrators()
            user = await tx.users.get(user_id, for_update=True)
            happened: list[tuple[SecurityEventKind, dict[str, object]]] = []
            if role is not None and role is not user.role:
                happened.append((SecurityEventKind.ROLE_CHANGED, {"from": user.role, "to": role}))
                user.assign_role(role, by=viewer.id)
            if locked is not None and locked != user.is_locked:
                happened.append((SecurityEventKind.USER_LOCKED if locked else SecurityEventKind.USER_UNLOCKED, {}))
                if locked:
                    user.lock(by=viewer.id)
                else:
                    user.unlock(by=viewer.id)
            if password_hash is not None:
                happened.append((SecurityEventKind.PASSWORD_CHANGED, {}))
                user.replace_password(password_hash, by=viewer.id)
            ends_sessions = bool(happened)
            if username is not None and username != user.username:
                happened.append((SecurityEventKind.USER_RENAMED, {"from": user.username, "to": username}))
                user.rename(username)
            if permissions:
                await _check_libraries(tx, permissions)
                happened.append((SecurityEventKind.PERMISSIONS_CHANGED, _plain(permissions)))
                user.permissions = replace(user.permissions, **permissions)
            if administrators == {user_id} and (user.role is not Role.ADMIN or user.is_locked):
                raise Conflict("this is the last administrator")
            await tx.users.save(user)
            if ends_sessions:
                await end_sessions(tx, user_id, at=now)
            for kind, details in happened:
                await tx.trail.record(security_event(kind, user, viewer, caller, at=now, **details))
            await tx.commit()

    async def delete(self, viewer: Viewer, user_id: UserId, caller: Caller) -> None:
        """Remove somebody's account with everything of theirs; the audit trail stays. Raises NotFound, Forbidden for
        oneself, Conflict for the last administrator."""
        viewer.require(Role.ADMIN)
        async with self._uow() as tx:
            administrators = await tx.users.hold_administrators()
            user = await tx.users.get(user_id, for_update=True)
            if user_id == viewer.id:
                raise Forbidden("you cannot delete your own account")
            if administrators == {user_id}:
                raise Conflict("this is the last administrator")
            await tx.trail.record(
                security_event(
                    SecurityEventKind.USER_DELETED,
                    user,
                    viewer,
                    caller,
                    at=self._clock.now(),
                    user_id=user_id,
                    role=user.role,
                )
            )
            await tx.users.delete(user)
            await tx.commit()


async def _check_libraries(tx: IdentityTx, permissions: Mapping[str, Any]) -> None:
    wanted: frozenset[LibraryId] | None = permissions.get("library_ids")
    if not wanted:
        return
    known = {library.id for library in await tx.libraries.list_all()}
    if unknown := sorted(wanted - known):
        raise Invalid(
            "there is no such library",
            fields=[FieldError("body.permissions.library_ids", f"no library has the id {unknown[0]}")],
        )


def _plain(permissions: Mapping[str, Any]) -> dict[str, object]:
    """As JSON for the trail."""
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in permissions.items()}
