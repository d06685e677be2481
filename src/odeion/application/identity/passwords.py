"""Passwords: changed by their owner, reset by a link, or set from the command line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from odeion.application.identity.caller import OPERATOR, Caller
from odeion.application.identity.login_sessions import end_sessions, require_proof
from odeion.application.identity.ports import IdentityTx, LoginThrottle, PasswordHasher
from odeion.application.identity.trail import security_event
from odeion.application.shared.clock import Clock
from odeion.application.shared.links import Links
from odeion.application.shared.secrets import SecretSource, secret_hash
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.security_events import SecurityEventKind
from odeion.domain.identity.tickets import Ticket, TicketKind
from odeion.domain.identity.users import Role, User, check_password_rules
from odeion.domain.shared.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from odeion.domain.shared.ids import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetLink:
    """`url` is for its person alone, and works once until `expires_at`."""

    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordReset:
    """Whose password was set; they sign in with it now."""

    username: str


class Passwords:
    def __init__(
        self,
        uow: UnitOfWorkFactory[IdentityTx],
        hasher: PasswordHasher,
        secrets: SecretSource,
        links: Links,
        throttle: LoginThrottle,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._hasher = hasher
        self._secrets = secrets
        self._links = links
        self._throttle = throttle
        self._clock = clock

    async def change_own(self, viewer: Viewer, caller: Caller, *, current: str | None, new: str) -> None:
        """Change the viewer's password and end their other sessions. Where there is none yet, having signed in
        lately stands for the current one. Raises Invalid for a wrong current or an unusable new one, ProofRequired,
        TooManyRequests."""
        check_password_rules(new, field="body.new_password")
        async with self._uow() as tx:
            user = await tx.users.get(viewer.id)
        if user.password_hash is not None:
            await self._check_current(user, current or "", caller)
        password_hash = await self._hasher.hash(new)
        now = self._clock.now()
        async with self._uow() as tx:
            if user.password_hash is None:
                await require_proof(tx, viewer, at=now)
            user.change_password(password_hash)
            # As it was read before the check: had it been changed since, this is refused.
            await tx.users.save(user)
            await end_sessions(tx, viewer.id, at=now, keep=viewer.session_id)
            await tx.trail.record(security_event(SecurityEventKind.PASSWORD_CHANGED, user, viewer, caller, at=now))
            await tx.commit()

    async def _check_current(self, user: User, password: str, caller: Caller) -> None:
        # Beside the counter of logins: whoever guesses at an open session must not lock its owner out.
        name = f"password of {user.username}"
        await self._throttle.admit(name, caller.address)
        if not await self._hasher.verify(user.password_hash, password):
            await self._throttle.failed(name, caller.address)
            raise Invalid(
                "this is not your current password",
                fields=[FieldError("body.current_password", "this is not your current password")],
            )
        await self._throttle.succeeded(name, caller.address)

    async def make_reset_link(self, viewer: Viewer, user_id: UserId, caller: Caller) -> ResetLink:
        """A link by which somebody sets a new password; it voids earlier ones. Raises NotFound, Forbidden for oneself,
        Conflict for a locked account or while the server has no base URL."""
        viewer.require(Role.ADMIN)
        token = self._secrets.token()
        # After the #, so that it is in no server's log.
        url = self._links.to(f"/reset-password#{token}")
        now = self._clock.now()
        async with self._uow() as tx:
            user = await tx.users.get(user_id, for_update=True)
            if user_id == viewer.id:
                raise Forbidden("change your own password in your account's settings")
            if user.is_locked:
                raise Conflict("this account is locked; unlock it first")
            ticket = Ticket.issue(TicketKind.PASSWORD_RESET, secret_hash(token), at=now, user_id=user_id)
            await tx.tickets.drop(TicketKind.PASSWORD_RESET, user_id)
            await tx.tickets.put(ticket)
            await tx.trail.record(
                security_event(SecurityEventKind.PASSWORD_RESET_LINK_MADE, user, viewer, caller, at=now)
            )
            await tx.commit()
        return ResetLink(url=url, expires_at=ticket.expires_at)

    async def redeem_reset_link(self, token: str, password: str, caller: Caller) -> PasswordReset:
        """Set a new password by the token of a link, and end all sessions. It signs nobody in: a second factor is asked
        for there. Raises Forbidden, the same for every token that is not good, Invalid, TooManyRequests."""
        name = f"reset {caller.address}"
        await self._throttle.admit(name, caller.address)
        check_password_rules(password)
        # Before the token is looked at: a good one and a bad one cost the same work.
        password_hash = await self._hasher.hash(password)
        now = self._clock.now()
        async with self._uow() as tx:
            ticket = await tx.tickets.take(TicketKind.PASSWORD_RESET, secret_hash(token), at=now)
            user = await tx.users.get(ticket.user_id, for_update=True) if ticket and ticket.user_id else None
            if user is not None and user.id is not None and not user.is_locked:
                user.change_password(password_hash)
                await tx.users.save(user)
                await end_sessions(tx, user.id, at=now)
                await tx.trail.record(security_event(SecurityEventKind.PASSWORD_RESET, user, None, caller, at=now))
                await tx.commit()
                return PasswordReset(username=user.username)
        await self._throttle.failed(name, caller.address)
        raise Forbidden("this link is not valid, or not any more; ask for a new one")

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
            await end_sessions(tx, user.id, at=now)
            await tx.trail.record(security_event(SecurityEventKind.PASSWORD_RESET, user, None, OPERATOR, at=now))
            await tx.commit()
