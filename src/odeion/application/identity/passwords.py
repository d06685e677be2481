"""Passwords: changed by their owner, reset by a link, or set from the command line."""

from __future__ import annotations

from odeion.application.identity.ports import IdentityTx, PasswordHasher
from odeion.application.identity.sign_in import Caller
from odeion.application.identity.trail import security_event
from odeion.application.shared.clock import Clock
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.domain.identity.security_events import SecurityEventKind
from odeion.domain.identity.users import check_password_rules
from odeion.domain.shared.errors import NotFound

_OPERATOR = Caller(user_agent="command line", address="local")


class Passwords:
    def __init__(self, uow: UnitOfWorkFactory[IdentityTx], hasher: PasswordHasher, clock: Clock) -> None:
        self._uow = uow
        self._hasher = hasher
        self._clock = clock

    async def set_by_operator(self, username: str, password: str) -> None:
        """Set somebody's password and end their sessions; for the command line. A locked account stays locked. Raises
        NotFound, Invalid."""
        check_password_rules(password)
        password_hash = await self._hasher.hash(password)
        now = self._clock.now()
        async with self._uow() as tx:
            user = await tx.users.find_by_username(username)
            if user is None or user.id is None:
                raise NotFound("there is no such user")
            user.change_password(password_hash)
            await tx.users.save(user)
            await tx.login_sessions.revoke_all(user.id, at=now)
            await tx.trail.record(security_event(SecurityEventKind.PASSWORD_RESET, user, None, _OPERATOR, at=now))
            await tx.commit()
