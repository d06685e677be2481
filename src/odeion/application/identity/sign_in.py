"""Signing in, staying signed in, and telling who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from odeion.application.identity.caller import Caller
from odeion.application.identity.ports import (
    IdentityTx,
    LoginThrottle,
    PasswordHasher,
    SessionClaims,
    TokenCodec,
)
from odeion.application.identity.second_factors import methods_of
from odeion.application.identity.trail import security_event
from odeion.application.identity.views import UserView, user_view
from odeion.application.shared.clock import Clock
from odeion.application.shared.secrets import SecretSource, secret_hash
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.domain.identity.login_sessions import LoginSession
from odeion.domain.identity.second_factors import SecondFactor
from odeion.domain.identity.security_events import SecurityEventKind
from odeion.domain.identity.tickets import Ticket, TicketKind
from odeion.domain.identity.users import User
from odeion.domain.shared.errors import Unauthorized

TOKEN_LIFETIME = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """`token` is a JWT for the Authorization header, valid until `expires_at`. `refresh_token` gets the next pair,
    once, from `POST /api/auth/refresh`."""

    kind: Literal["signed_in"] = "signed_in"
    token: str
    expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime
    user: UserView


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorRequired:
    """The first step was right. `ticket` is for `POST /api/auth/second-factor` with one of `methods`, until
    `expires_at`; it bears a few wrong tries."""

    kind: Literal["second_factor_required"] = "second_factor_required"
    ticket: str
    methods: list[SecondFactor]
    expires_at: datetime


class Admission:
    """What follows once somebody has shown who they are."""

    def __init__(self, tokens: TokenCodec, secrets: SecretSource) -> None:
        self._tokens = tokens
        self._secrets = secrets

    async def after_first_step(
        self, tx: IdentityTx, user: User, caller: Caller, *, way: str, at: datetime
    ) -> SignedIn | SecondFactorRequired:
        """Sign in an account without second factors; ask for one where there are some. `way` is for the trail. Raises
        Forbidden for a locked account."""
        user.require_may_sign_in()
        assert user.id is not None
        methods = await methods_of(tx, user.id)
        if not methods:
            return await self.sign_in(tx, user, caller, way=way, at=at)
        secret = self._secrets.token()
        ticket = Ticket.issue(
            TicketKind.SECOND_FACTOR,
            secret_hash(secret),
            at=at,
            user_id=user.id,
            payload={"way": way, "tries": 0, "password": password_mark(user)},
        )
        await tx.tickets.put(ticket)
        return SecondFactorRequired(ticket=secret, methods=methods, expires_at=ticket.expires_at)

    async def sign_in(self, tx: IdentityTx, user: User, caller: Caller, *, way: str, at: datetime) -> SignedIn:
        """Save `user` and a new session of theirs in `tx`, which the caller commits. Raises Forbidden as above."""
        user.require_may_sign_in()
        signed_in = await open_session(tx, user, caller, tokens=self._tokens, secrets=self._secrets, at=at)
        await tx.trail.record(security_event(SecurityEventKind.LOGIN_SUCCEEDED, user, None, caller, at=at, way=way))
        return signed_in


def password_mark(user: User) -> str:
    """Changes with the password: what was begun with the old one ends with it."""
    return secret_hash(user.password_hash or "").hex()


class SignIn:
    def __init__(
        self,
        uow: UnitOfWorkFactory[IdentityTx],
        passwords: PasswordHasher,
        tokens: TokenCodec,
        secrets: SecretSource,
        throttle: LoginThrottle,
        clock: Clock,
        admission: Admission,
    ) -> None:
        self._uow = uow
        self._passwords = passwords
        self._admission = admission
        self._tokens = tokens
        self._secrets = secrets
        self._throttle = throttle
        self._clock = clock

    async def login(self, username: str, password: str, caller: Caller) -> SignedIn | SecondFactorRequired:
        """Raises Unauthorized with the same words and after the same work whether the name or the password is
        wrong; Forbidden for a locked account; TooManyRequests."""
        await self._throttle.admit(username, caller.address)
        async with self._uow() as tx:
            user = await tx.users.find_by_username(username)
        # Hashing takes tens of milliseconds, so no connection is held meanwhile.
        is_right = await self._passwords.verify(user.password_hash if user else None, password)
        if not is_right or user is None:
            await self._failed(username, user, caller)
            raise Unauthorized("user name or password is wrong")
        await self._throttle.succeeded(username, caller.address)
        if user.is_locked:
            await self._note_locked(user, caller)
        user.require_may_sign_in()
        rehashed = None
        if user.password_hash and self._passwords.needs_rehash(user.password_hash):
            rehashed = await self._passwords.hash(password)
        async with self._uow() as tx:
            if rehashed is not None:
                user.change_password(rehashed)
                await tx.users.save(user)
            answer = await self._admission.after_first_step(tx, user, caller, way="password", at=self._clock.now())
            await tx.commit()
        return answer

    async def _note_locked(self, user: User, caller: Caller) -> None:
        """Somebody has the password of a locked account: worth knowing."""
        now = self._clock.now()
        async with self._uow() as tx:
            await tx.trail.record(
                security_event(
                    SecurityEventKind.LOGIN_FAILED, user, None, caller, at=now, way="password", reason="locked"
                )
            )
            await tx.commit()

    async def _failed(self, username: str, user: User | None, caller: Caller) -> None:
        now = self._clock.now()
        wait_s = await self._throttle.failed(username, caller.address)
        async with self._uow() as tx:
            # A name nobody has is not written down: it may well be a password in the wrong field.
            await tx.trail.record(
                security_event(SecurityEventKind.LOGIN_FAILED, user, None, caller, at=now, way="password")
            )
            if wait_s:
                await tx.trail.record(
                    security_event(SecurityEventKind.LOGIN_THROTTLED, user, None, caller, at=now, wait_s=wait_s)
                )
            await tx.commit()

    async def refresh(self, refresh_token: str, caller: Caller) -> SignedIn:
        """Exchange a refresh token for a new pair. Raises Unauthorized; a second use ends the session."""
        now = self._clock.now()
        next_token = self._secrets.token()
        presented = secret_hash(refresh_token)
        async with self._uow() as tx:
            session = await tx.login_sessions.find_by_refresh_hash(presented)
            if session is None:
                raise Unauthorized("this refresh token is not known; sign in again")
            user = await tx.users.get(session.user_id)
            user.require_may_sign_in()
            rotated = session.rotate(
                presented_hash=presented, next_hash=secret_hash(next_token), address=caller.address, at=now
            )
            await tx.login_sessions.save(session)
            if not rotated:
                await tx.trail.record(
                    security_event(SecurityEventKind.REFRESH_REUSED, user, None, caller, at=now, session_id=session.id)
                )
            await tx.commit()
        if not rotated:
            raise Unauthorized("this refresh token was used before; the session has been ended for safety")
        return _signed_in(user, session, next_token, tokens=self._tokens, at=now)


async def open_session(
    tx: IdentityTx, user: User, caller: Caller, *, tokens: TokenCodec, secrets: SecretSource, at: datetime
) -> SignedIn:
    """Save a new `user`, and a new session of theirs, in `tx`; the caller commits."""
    token = secrets.token()
    if user.id is None:
        user.id = await tx.users.save(user)
    else:
        # The account itself does not change: two devices may sign in at the same moment.
        user.signed_in(at=at)
        tx.collect(user.take_events())
    session = LoginSession.start(
        user_id=user.id,
        refresh_hash=secret_hash(token),
        user_agent=caller.user_agent,
        device_name=caller.device_name,
        address=caller.address,
        at=at,
    )
    session.id = await tx.login_sessions.save(session)
    return _signed_in(user, session, token, tokens=tokens, at=at)


def _signed_in(user: User, session: LoginSession, refresh_token: str, *, tokens: TokenCodec, at: datetime) -> SignedIn:
    assert user.id is not None and session.id is not None
    expires_at = at + TOKEN_LIFETIME
    return SignedIn(
        token=tokens.issue(SessionClaims(user.id, session.id), at=at, expires_at=expires_at),
        expires_at=expires_at,
        refresh_token=refresh_token,
        refresh_expires_at=session.expires_at,
        user=user_view(user),
    )
