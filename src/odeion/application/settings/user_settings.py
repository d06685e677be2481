"""One's own settings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from odeion.application.shared.clock import Clock
from odeion.application.shared.unit_of_work import Transaction, UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.shared.ids import UserId
from odeion.domain.user_settings import UserSettings


class UserSettingsRepository(Protocol):
    """Only what somebody chose is kept, so that defaults can change for everybody else."""

    async def get(self, user_id: UserId) -> UserSettings:
        """With defaults for what was never chosen."""

    async def merge(self, user_id: UserId, changes: Mapping[str, object], *, at: datetime) -> None:
        """Plain JSON values by name of the setting; None goes back to the default."""


class UserSettingsTx(Transaction, Protocol):
    @property
    def user_settings(self) -> UserSettingsRepository: ...


class OwnSettings:
    def __init__(self, uow: UnitOfWorkFactory[UserSettingsTx], clock: Clock) -> None:
        self._uow = uow
        self._clock = clock

    async def get(self, viewer: Viewer) -> UserSettings:
        async with self._uow() as tx:
            return await tx.user_settings.get(viewer.id)

    async def change(self, viewer: Viewer, changes: Mapping[str, object]) -> UserSettings:
        async with self._uow() as tx:
            await tx.user_settings.merge(viewer.id, changes, at=self._clock.now())
            settings = await tx.user_settings.get(viewer.id)
            await tx.commit()
        return settings
