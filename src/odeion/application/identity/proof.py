"""Showing again who one is, before anything by which somebody with a stolen session could stay in."""

from __future__ import annotations

from odeion.application.identity.caller import Caller
from odeion.application.identity.ports import IdentityTx
from odeion.application.identity.second_factors import SecondFactors
from odeion.application.shared.clock import Clock
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer


class Proof:
    def __init__(self, uow: UnitOfWorkFactory[IdentityTx], factors: SecondFactors, clock: Clock) -> None:
        self._uow = uow
        self._factors = factors
        self._clock = clock

    async def give(self, viewer: Viewer, caller: Caller, *, password: str | None, code: str | None) -> None:
        """With the password, or with a code of the authenticator app or a recovery code. Raises Forbidden for a wrong
        one, BadRequest for neither or both, TooManyRequests. Who has none of them signs in again instead."""
        await self._factors.check_proof(viewer, caller, password=password, code=code, counter=f"proof of {viewer.id}")
        now = self._clock.now()
        async with self._uow() as tx:
            if viewer.session_id is not None:
                session = await tx.login_sessions.get(viewer.id, viewer.session_id, at=now)
                session.prove(at=now)
                await tx.login_sessions.save(session)
            await tx.commit()
