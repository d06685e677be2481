"""The settings of converting, which all servers share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from odeion.application.shared.clock import Clock
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.application.transcoding.ports import TranscodingTx
from odeion.application.transcoding.views import TranscodeSettingsView
from odeion.domain.identity.users import Role
from odeion.domain.playback.policy import ServerPolicy
from odeion.domain.transcoding import HardwarePreference, TranscodeSettings

SETTING = "transcoding"


class TranscodeOptions:
    """The settings that all servers share."""

    def __init__(self, uow: UnitOfWorkFactory[TranscodingTx], clock: Clock) -> None:
        self._uow = uow
        self._clock = clock

    async def current(self) -> TranscodeSettings:
        async with self._uow() as tx:
            return read_settings(await tx.settings.find(SETTING))

    async def policy(self) -> ServerPolicy:
        """What the decision how to play a file has to know of them."""
        return (await self.current()).policy()

    async def get(self, viewer: Viewer) -> TranscodeSettingsView:
        viewer.require(Role.ADMIN)
        return TranscodeSettingsView(**asdict(await self.current()))

    async def update(self, viewer: Viewer, changes: Mapping[str, Any]) -> TranscodeSettingsView:
        """`changes` holds only what is to change, already checked. What plays goes on as it was."""
        viewer.require(Role.ADMIN)
        async with self._uow() as tx:
            changed = replace(read_settings(await tx.settings.find(SETTING)), **changes)
            await tx.settings.put(
                SETTING, {**asdict(changed), "hardware": changed.hardware.value}, at=self._clock.now()
            )
            await tx.commit()
        return TranscodeSettingsView(**asdict(changed))


def read_settings(stored: object | None) -> TranscodeSettings:
    """From the JSON they are kept as; the defaults where there is none."""
    if not isinstance(stored, dict):
        return TranscodeSettings()
    # What a later version may have added is not known here.
    known = {name: value for name, value in stored.items() if name in TranscodeSettings.__dataclass_fields__}
    return TranscodeSettings(**{**known, "hardware": HardwarePreference(known.get("hardware", "prefer"))})
