"""Signing a device in by a short code, where typing a password is a pain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from odeion.application.identity.caller import Caller
from odeion.application.identity.ports import IdentityTx, LoginThrottle, TokenCodec
from odeion.application.identity.sign_in import SignedIn, open_session
from odeion.application.identity.trail import security_event
from odeion.application.shared.clock import Clock
from odeion.application.shared.secrets import SecretSource, secret_hash
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.codes import ALPHABET, typed
from odeion.domain.identity.security_events import SecurityEventKind
from odeion.domain.identity.tickets import Ticket, TicketKind
from odeion.domain.shared.errors import Conflict, Forbidden

# 33 million codes, of which hardly any is good, for minutes: with a cap on wrong ones for the whole server, guessing
# takes years.
CODE_LENGTH = 5
_THROTTLE_NAME = "device"
_DRAWS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCode:
    code: str
    expires_at: datetime


class DeviceCodes:
    def __init__(
        self,
        uow: UnitOfWorkFactory[IdentityTx],
        tokens: TokenCodec,
        secrets: SecretSource,
        throttle: LoginThrottle,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._tokens = tokens
        self._secrets = secrets
        self._throttle = throttle
        self._clock = clock

    async def create(self, viewer: Viewer, caller: Caller) -> DeviceCode:
        """A code that signs a device in as the viewer; it voids an earlier one."""
        now = self._clock.now()
        async with self._uow() as tx:
            # Held, so that two requests at once leave one code.
            user = await tx.users.get(viewer.id, for_update=True)
            await tx.tickets.drop(TicketKind.DEVICE_CODE, viewer.id)
            code, ticket = await self._issue(tx, viewer, at=now)
            await tx.trail.record(security_event(SecurityEventKind.DEVICE_CODE_CREATED, user, viewer, caller, at=now))
            await tx.commit()
        return DeviceCode(code=code, expires_at=ticket.expires_at)

    async def _issue(self, tx: IdentityTx, viewer: Viewer, *, at: datetime) -> tuple[str, Ticket]:
        for _ in range(_DRAWS):
            code = self._secrets.code(CODE_LENGTH, ALPHABET)
            ticket = Ticket.issue(TicketKind.DEVICE_CODE, secret_hash(code), at=at, user_id=viewer.id)
            try:
                await tx.tickets.put(ticket)
            except Conflict:
                # Somebody has this one just now.
                continue
            return code, ticket
        raise Conflict("no code is free now; try again")

    async def redeem(self, code: str, device_name: str | None, caller: Caller) -> SignedIn:
        """Sign a device in by a code, once. Raises Forbidden, the same for every code that is not good, and
        TooManyRequests."""
        await self._throttle.admit(_THROTTLE_NAME, caller.address)
        now = self._clock.now()
        async with self._uow() as tx:
            ticket = await tx.tickets.take(TicketKind.DEVICE_CODE, secret_hash(typed(code)), at=now)
            user = await tx.users.get(ticket.user_id) if ticket and ticket.user_id else None
            if user is not None and not user.is_locked:
                signed_in = await open_session(
                    tx,
                    user,
                    replace(caller, device_name=device_name),
                    tokens=self._tokens,
                    secrets=self._secrets,
                    at=now,
                )
                await tx.trail.record(
                    security_event(SecurityEventKind.DEVICE_PAIRED, user, None, caller, at=now, device=device_name)
                )
                await tx.commit()
                # The wrong codes are not forgotten: else whoever has one good code could guess on for ever.
                return signed_in
        await self._throttle.failed(_THROTTLE_NAME, caller.address)
        raise Forbidden("this code is not valid, or not any more; make a new one")
