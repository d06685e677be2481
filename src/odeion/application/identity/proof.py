"""Showing again who one is, before anything by which somebody with a stolen session could stay in."""

from __future__ import annotations

from odeion.application.identity.caller import Caller
from odeion.application.identity.ports import IdentityTx, LoginThrottle, PasswordHasher
from odeion.application.identity.second_factors import use_code
from odeion.application.shared.clock import Clock
from odeion.application.shared.secrets import SecretBox
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.shared.errors import BadRequest, Forbidden


class Proof:
    def __init__(
        self,
        uow: UnitOfWorkFactory[IdentityTx],
        passwords: PasswordHasher,
        box: SecretBox,
        throttle: LoginThrottle,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._passwords = passwords
        self._box = box
        self._throttle = throttle
        self._clock = clock

    async def give(self, viewer: Viewer, caller: Caller, *, password: str | None, code: str | None) -> None:
        """With the password, or with a code of the authenticator app or a recovery code. Raises Forbidden for a wrong
        one, BadRequest for neither or both, TooManyRequests. Who has none of them signs in again instead."""
        if (password is None) is (code is None):
            raise BadRequest("send either the password or a code")
        name = f"proof of {viewer.id}"
        await self._throttle.admit(name, caller.address)
        now = self._clock.now()
        async with self._uow() as tx:
            user = await tx.users.get(viewer.id)
            is_right = code is not None and await use_code(tx, self._box, user, code, caller, at=now)
            await tx.commit()
        if password is not None:
            is_right = await self._passwords.verify(user.password_hash, password)
        if not is_right:
            await self._throttle.failed(name, caller.address)
            raise Forbidden("that is not right")
        await self._throttle.succeeded(name, caller.address)
        async with self._uow() as tx:
            if viewer.session_id is not None:
                session = await tx.login_sessions.get(viewer.id, viewer.session_id, at=now)
                session.prove(at=now)
                await tx.login_sessions.save(session)
            await tx.commit()
