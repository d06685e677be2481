"""News for connected clients."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.users import Role
from odeion.domain.shared.ids import LibraryId

# Whom an event may be told, beyond the person it concerns. What is not listed is told to administrators alone.
_FOR_EVERYBODY = ("library.",)
_FOR_THE_PERSON = ("progress.", "playback.")


@dataclass(frozen=True, slots=True)
class RealtimeMessage:
    """`at` is RFC 3339. `user_id` is whom it concerns."""

    name: str
    data: dict[str, Any]
    user_id: int | None
    at: str

    def is_for(self, viewer: Viewer) -> bool:
        if self.name.startswith(_FOR_EVERYBODY):
            limits = viewer.limits
            return limits is None or limits.sees_library(LibraryId(self.data.get("library_id", 0)))
        if self.name.startswith(_FOR_THE_PERSON):
            return self.user_id == viewer.id
        return viewer.role.includes(Role.ADMIN)


class RealtimeBus(Protocol):
    async def publish(self, message: RealtimeMessage) -> None: ...

    def listen(self) -> AbstractAsyncContextManager[asyncio.Queue[RealtimeMessage]]:
        """A queue of what is published from now on; bounded, the oldest goes first."""

    async def run(self) -> None:
        """Receive what other processes publish, until cancelled."""
