"""The devices somebody is signed in on, and signing out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from odeion.application.identity.caller import Caller
from odeion.application.identity.ports import IdentityTx
from odeion.application.identity.trail import security_event
from odeion.application.shared.clock import Clock
from odeion.application.shared.page import Page, PageRequest
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.security_events import SecurityEventKind
from odeion.domain.shared.errors import NotFound, ProofRequired
from odeion.domain.shared.ids import LoginSessionId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSessionView:
    """A signed-in device. `device` is its name in plain words, `last_used_at` when it last got a new token."""

    id: int
    device: str
    address: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    is_current: bool


class LoginSessionQueries(Protocol):
    async def list_own(self, viewer: Viewer, page: PageRequest) -> Page[LoginSessionView]:
        """Those that are not over: the current one, then the latest used."""


class LoginSessions:
    def __init__(self, uow: UnitOfWorkFactory[IdentityTx], clock: Clock) -> None:
        self._uow = uow
        self._clock = clock

    async def end(self, viewer: Viewer, session_id: LoginSessionId, caller: Caller) -> None:
        """Sign one of the viewer's devices out. Raises NotFound."""
        now = self._clock.now()
        async with self._uow() as tx:
            user = await tx.users.get(viewer.id)
            session = await tx.login_sessions.get(viewer.id, session_id, at=now)
            session.revoke(at=now)
            await tx.login_sessions.save(session)
            await tx.trail.record(
                security_event(SecurityEventKind.SESSIONS_REVOKED, user, viewer, caller, at=now, device=session.device)
            )
            await tx.commit()

    async def sign_out(self, viewer: Viewer, caller: Caller) -> None:
        """End the session that asks."""
        if viewer.session_id is None:
            raise NotFound("there is no session to end")
        now = self._clock.now()
        async with self._uow() as tx:
            user = await tx.users.get(viewer.id)
            session = await tx.login_sessions.get(viewer.id, viewer.session_id, at=now)
            session.revoke(at=now)
            await tx.login_sessions.save(session)
            await tx.trail.record(security_event(SecurityEventKind.SIGNED_OUT, user, viewer, caller, at=now))
            await tx.commit()

    async def sign_out_everywhere(self, viewer: Viewer, caller: Caller, *, keep_current: bool) -> None:
        """End all of the viewer's sessions, or all others. API keys go on: they are revoked one by one."""
        now = self._clock.now()
        async with self._uow() as tx:
            user = await tx.users.get(viewer.id)
            await end_sessions(tx, viewer.id, at=now, keep=viewer.session_id if keep_current else None)
            await tx.trail.record(
                security_event(
                    SecurityEventKind.SESSIONS_REVOKED, user, viewer, caller, at=now, kept_current=keep_current
                )
            )
            await tx.commit()


async def end_sessions(tx: IdentityTx, user_id: UserId, *, at: datetime, keep: LoginSessionId | None = None) -> None:
    """End somebody's sessions but `keep`, and void the tickets by which new ones could still be opened: half-done
    logins, device codes, reset links."""
    await tx.login_sessions.revoke_all(user_id, at=at, keep=keep)
    await tx.tickets.drop_all(user_id)


async def require_proof(tx: IdentityTx, viewer: Viewer, *, at: datetime) -> None:
    """Raises ProofRequired unless the viewer has shown lately who they are."""
    if viewer.session_id is None:
        raise ProofRequired("sign in for this")
    (await tx.login_sessions.get(viewer.id, viewer.session_id, at=at)).require_proof(at=at)
