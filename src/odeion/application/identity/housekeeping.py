"""Forgetting what is over."""

from __future__ import annotations

from datetime import timedelta

from odeion.application.identity.ports import IdentityTx
from odeion.application.shared.clock import Clock
from odeion.application.shared.unit_of_work import UnitOfWorkFactory

# Ended sessions are kept this long: a refresh token used after its session still tells of a thief.
_ENDED_SESSIONS_KEPT = timedelta(days=30)


class IdentityHousekeeping:
    def __init__(self, uow: UnitOfWorkFactory[IdentityTx], clock: Clock) -> None:
        self._uow = uow
        self._clock = clock

    async def purge(self) -> None:
        """Drop expired tickets and sessions that ended long ago."""
        now = self._clock.now()
        async with self._uow() as tx:
            await tx.tickets.drop_expired(at=now)
            await tx.login_sessions.drop_over(before=now - _ENDED_SESSIONS_KEPT)
            await tx.commit()
