"""The first start: whoever can read the console makes the first administrator."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from odeion.application.identity.caller import OPERATOR, Caller
from odeion.application.identity.ports import (
    IdentityTx,
    LoginThrottle,
    PasswordHasher,
    TokenCodec,
)
from odeion.application.identity.sign_in import SignedIn, open_session
from odeion.application.identity.trail import security_event
from odeion.application.shared.clock import Clock
from odeion.application.shared.secrets import SecretSource
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.security_events import SecurityEventKind
from odeion.domain.identity.users import Role, User, check_password_rules
from odeion.domain.shared.errors import Conflict, Forbidden

_CODE_SETTING = "setup_code_sha256"
_THROTTLE_NAME = "first-run"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupState:
    """`completed` is true once an account exists; until then only the set-up can be used."""

    completed: bool


class FirstRun:
    def __init__(
        self,
        uow: UnitOfWorkFactory[IdentityTx],
        passwords: PasswordHasher,
        tokens: TokenCodec,
        secrets: SecretSource,
        throttle: LoginThrottle,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._passwords = passwords
        self._tokens = tokens
        self._secrets = secrets
        self._throttle = throttle
        self._clock = clock

    async def state(self) -> SetupState:
        async with self._uow() as tx:
            return SetupState(completed=await tx.users.any_exists())

    async def offer(self, code: str) -> bool:
        """Make `code` the one that completes the set-up. Answers False, and does nothing, once that is done."""
        async with self._uow() as tx:
            if await tx.users.any_exists():
                return False
            await tx.settings.put(_CODE_SETTING, _digest(code), at=self._clock.now())
            await tx.commit()
            return True

    async def make_administrator(self, username: str, password: str) -> Viewer:
        """Make the first administrator without a code: for whoever starts the server, and needs none. Raises Conflict,
        Invalid."""
        signed_in = await self._make_first(username, password, OPERATOR)
        claims = self._tokens.read(signed_in.token, at=self._clock.now())
        return Viewer(claims.user_id, Role.ADMIN, claims.session_id)

    async def complete(self, *, code: str, username: str, password: str, caller: Caller) -> SignedIn:
        """Make the first administrator and sign them in. Raises Forbidden for a wrong code, Conflict when the
        set-up is done already, Invalid, TooManyRequests."""
        await self._throttle.admit(_THROTTLE_NAME, caller.address)
        await self._check_code(code, caller)
        return await self._make_first(username, password, caller)

    async def _make_first(self, username: str, password: str, caller: Caller) -> SignedIn:
        check_password_rules(password)
        password_hash = await self._passwords.hash(password)
        now = self._clock.now()
        user = User.create(username=username, password_hash=password_hash, role=Role.ADMIN, at=now)
        async with self._uow() as tx:
            await tx.users.lock_first_run()
            if await tx.users.any_exists():
                raise Conflict("the set-up is already done; sign in instead")
            signed_in = await open_session(tx, user, caller, tokens=self._tokens, secrets=self._secrets, at=now)
            await tx.settings.put(_CODE_SETTING, None, at=now)
            await tx.trail.record(security_event(SecurityEventKind.FIRST_RUN_COMPLETED, user, None, caller, at=now))
            await tx.commit()
        return signed_in

    async def _check_code(self, code: str, caller: Caller) -> None:
        async with self._uow() as tx:
            # In this order: whoever completes it meanwhile takes the code away along with it.
            expected = await tx.settings.find(_CODE_SETTING)
            if await tx.users.any_exists():
                raise Conflict("the set-up is already done; sign in instead")
        if not isinstance(expected, str) or not hmac.compare_digest(expected, _digest(code)):
            await self._throttle.failed(_THROTTLE_NAME, caller.address)
            raise Forbidden("this is not the set-up code; it is printed where the server was started")


def _digest(code: str) -> str:
    return hashlib.sha256(code.strip().upper().encode()).hexdigest()
