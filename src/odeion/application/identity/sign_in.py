"""Signing in, staying signed in, and telling who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from odeion.application.identity.ports import (
    IdentityTx,
    LoginThrottle,
    PasswordHasher,
    SessionClaims,
    TokenCodec,
)
from odeion.application.identity.views import UserView, user_view
from odeion.application.shared.clock import Clock
from odeion.application.shared.secrets import SecretSource, secret_hash
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.domain.identity.login_sessions import LoginSession
from odeion.domain.identity.users import User
from odeion.domain.shared.errors import Unauthorized

TOKEN_LIFETIME = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Where a request comes from: a text of the client's own, and its address as a trusted proxy reports it.
    `device_name` is what a person called the device, where one did."""

    user_agent: str
    address: str
    device_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """`token` is a JWT for the Authorization header, valid until `expires_at`. `refresh_token` gets the next pair,
    once, from `POST /api/auth/refresh`."""

    token: str
    expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime
    user: UserView


class SignIn:
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

    async def login(self, username: str, password: str, caller: Caller) -> SignedIn:
        """Raises Unauthorized with the same words and after the same work whether the name or the password is
        wrong; Forbidden for a locked account; TooManyRequests."""
        await self._throttle.admit(username, caller.address)
        async with self._uow() as tx:
            user = await tx.users.find_by_username(username)
        # Hashing takes tens of milliseconds, so no connection is held meanwhile.
        if not await self._passwords.verify(user.password_hash if user else None, password) or user is None:
            await self._throttle.failed(username, caller.address)
            raise Unauthorized("user name or password is wrong")
        await self._throttle.succeeded(username, caller.address)
        user.require_may_sign_in()
        if user.password_hash and self._passwords.needs_rehash(user.password_hash):
            user.change_password(await self._passwords.hash(password))
        return await self.start_session(user, caller)

    async def start_session(self, user: User, caller: Caller) -> SignedIn:
        """Save `user` and sign it in on a new session."""
        async with self._uow() as tx:
            signed_in = await open_session(
                tx, user, caller, tokens=self._tokens, secrets=self._secrets, at=self._clock.now()
            )
            await tx.commit()
        return signed_in

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
            await tx.commit()
        if not rotated:
            raise Unauthorized("this refresh token was used before; the session has been ended for safety")
        return _signed_in(user, session, next_token, tokens=self._tokens, at=now)


async def open_session(
    tx: IdentityTx, user: User, caller: Caller, *, tokens: TokenCodec, secrets: SecretSource, at: datetime
) -> SignedIn:
    """Save `user` and a new session of theirs in `tx`; the caller commits."""
    token = secrets.token()
    if user.id is not None:
        user.signed_in(at=at)
    user.id = await tx.users.save(user)
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
