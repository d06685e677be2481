"""Invites and the settings of users in memory."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from odeion.application.shared.page import Page, PageRequest
from odeion.domain.identity.invites import Invite, InviteState
from odeion.domain.shared.errors import NotFound
from odeion.domain.shared.ids import InviteId, UserId
from odeion.domain.user_settings import UserSettings

if TYPE_CHECKING:
    from odeion.adapters.memory.store import MemoryUnitOfWork

_SETTINGS = TypeAdapter(UserSettings)


class MemoryInvites:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def get(self, user_id: UserId, invite_id: InviteId) -> Invite:
        invite = self._tx.tables.invites.get(invite_id)
        if invite is None or invite.created_by != user_id:
            raise NotFound("invite not found")
        return copy.deepcopy(invite)

    async def list_of(self, user_id: UserId, page: PageRequest) -> Page[Invite]:
        own = [invite for invite in self._tx.tables.invites.values() if invite.created_by == user_id]
        own.sort(key=lambda invite: invite.id or 0, reverse=True)
        return Page.of(copy.deepcopy(own[page.offset : page.offset + page.per_page]), page, len(own))

    async def save(self, invite: Invite) -> InviteId:
        return InviteId(self._tx.save(self._tx.tables.invites, invite))

    async def redeem(self, code_hash: bytes, *, at: datetime) -> Invite | None:
        for invite in self._tx.tables.invites.values():
            if invite.code_hash == code_hash and invite.state(at=at) is InviteState.OPEN:
                invite.uses += 1
                invite.version += 1
                return copy.deepcopy(invite)
        return None

    async def delete(self, invite: Invite) -> None:
        self._tx.tables.invites.pop(invite.id or 0, None)


class MemoryUserSettings:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def get(self, user_id: UserId) -> UserSettings:
        return _SETTINGS.validate_python(self._tx.tables.user_settings.get(user_id, {}))

    async def merge(self, user_id: UserId, changes: Mapping[str, object], *, at: datetime) -> None:
        merged = {**self._tx.tables.user_settings.get(user_id, {}), **changes}
        self._tx.tables.user_settings[user_id] = {name: value for name, value in merged.items() if value is not None}
