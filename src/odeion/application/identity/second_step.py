"""The second step of signing in."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from odeion.application.identity.caller import Caller
from odeion.application.identity.passkeys import PasskeyOptions, new_challenge, take_challenge, use_passkey
from odeion.application.identity.ports import IdentityTx, LoginThrottle
from odeion.application.identity.second_factor_ports import PasskeyCeremonies
from odeion.application.identity.second_factors import methods_of, use_recovery_code, use_totp
from odeion.application.identity.sign_in import Admission, SignedIn, password_mark
from odeion.application.identity.trail import security_event
from odeion.application.shared.clock import Clock
from odeion.application.shared.secrets import SecretBox, SecretSource, secret_hash
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.domain.identity.second_factors import MAX_TRIES, SecondFactor
from odeion.domain.identity.security_events import SecurityEventKind
from odeion.domain.identity.tickets import Ticket, TicketKind
from odeion.domain.identity.users import User
from odeion.domain.shared.errors import BadRequest, Unauthorized


class SecondStep:
    def __init__(
        self,
        uow: UnitOfWorkFactory[IdentityTx],
        ceremonies: PasskeyCeremonies,
        admission: Admission,
        secrets: SecretSource,
        box: SecretBox,
        throttle: LoginThrottle,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._ceremonies = ceremonies
        self._admission = admission
        self._secrets = secrets
        self._box = box
        self._throttle = throttle
        self._clock = clock

    async def passkey_options(self, secret: str) -> PasskeyOptions:
        """For one of the passkeys of whoever is signing in. Raises Unauthorized, Conflict without a base URL."""
        now = self._clock.now()
        async with self._uow() as tx:
            _, user = await self._open(tx, secret, at=now)
            assert user.id is not None
            challenge = await new_challenge(tx, self._secrets, purpose="second_step", user_id=user.id, at=now)
            options = self._ceremonies.request_options(
                challenge=challenge, allowed=await tx.passkeys.list_of(user.id), verify_user=False
            )
            await tx.commit()
        return PasskeyOptions(options=options)

    async def complete(
        self,
        secret: str,
        method: SecondFactor,
        caller: Caller,
        *,
        code: str | None = None,
        credential: dict[str, Any] | None = None,
    ) -> SignedIn:
        """Raises Unauthorized for a ticket that is not open, or a wrong answer; after a few of those the ticket is
        void. Forbidden for a locked account, BadRequest for an answer that is none, TooManyRequests."""
        now = self._clock.now()
        async with self._uow() as tx:
            _, user = await self._open(tx, secret, at=now)
        assert user.id is not None
        name = str(user.id)
        await self._throttle.admit(name, caller.address)
        async with self._uow() as tx:
            # Held from here on: of tries that come at once, each counts.
            ticket, user = await self._open(tx, secret, at=now)
            if await self._is_right(tx, user, method, caller, code=code, credential=credential, at=now):
                await tx.tickets.take(TicketKind.SECOND_FACTOR, ticket.secret_hash, at=now)
                signed_in = await self._admission.sign_in(
                    tx, user, caller, way=f"{ticket.payload['way']}, then {method}", at=now
                )
                await tx.commit()
                await self._throttle.succeeded(name, caller.address)
                return signed_in
            await self._count(tx, ticket, at=now)
            wait_s = await self._throttle.failed(name, caller.address)
            await tx.trail.record(
                security_event(
                    SecurityEventKind.SECOND_FACTOR_FAILED, user, None, caller, at=now, method=method, wait_s=wait_s
                )
            )
            await tx.commit()
        raise Unauthorized("that is not right; try again, or sign in from the start")

    async def _open(self, tx: IdentityTx, secret: str, *, at: datetime) -> tuple[Ticket, User]:
        """Raises Unauthorized for a ticket that is unknown, spent or too old, or from before the password changed."""
        ticket = await tx.tickets.find(TicketKind.SECOND_FACTOR, secret_hash(secret), at=at)
        user = await tx.users.get(ticket.user_id) if ticket is not None and ticket.user_id is not None else None
        if ticket is None or user is None or ticket.payload["password"] != password_mark(user):
            raise Unauthorized("that took too long, or too many tries; sign in from the start")
        return ticket, user

    async def _is_right(
        self,
        tx: IdentityTx,
        user: User,
        method: SecondFactor,
        caller: Caller,
        *,
        code: str | None,
        credential: dict[str, Any] | None,
        at: datetime,
    ) -> bool:
        assert user.id is not None
        if (credential if method is SecondFactor.PASSKEY else code) is None:
            raise BadRequest("a passkey is shown with `credential`, the others with `code`")
        if method not in await methods_of(tx, user.id):
            return False
        if credential is not None and method is SecondFactor.PASSKEY:
            return await self._is_right_passkey(tx, user, credential, at=at)
        assert code is not None
        if method is SecondFactor.RECOVERY_CODE:
            return await use_recovery_code(tx, user, code, caller, at=at)
        totp = await tx.totp.find(user.id)
        return totp is not None and await use_totp(tx, self._box, totp, code, at=at)

    async def _is_right_passkey(self, tx: IdentityTx, user: User, credential: dict[str, Any], *, at: datetime) -> bool:
        challenge = self._ceremonies.challenge_of(credential)
        passkey = await tx.passkeys.find_by_credential(self._ceremonies.credential_id_of(credential))
        if not await take_challenge(tx, challenge, purpose="second_step", user_id=user.id, at=at):
            return False
        if passkey is None or passkey.user_id != user.id:
            return False
        try:
            await use_passkey(tx, self._ceremonies, passkey, credential, challenge=challenge, verify_user=False, at=at)
        except Unauthorized:
            return False
        return True

    async def _count(self, tx: IdentityTx, ticket: Ticket, *, at: datetime) -> None:
        tries = ticket.payload["tries"] + 1
        if tries >= MAX_TRIES:
            await tx.tickets.take(TicketKind.SECOND_FACTOR, ticket.secret_hash, at=at)
        else:
            await tx.tickets.note(replace(ticket, payload={**ticket.payload, "tries": tries}))
