"""Writing and reading the audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from odeion.application.identity.caller import Caller
from odeion.application.shared.page import Page, PageRequest
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.security_events import SecurityEvent, SecurityEventKind
from odeion.domain.identity.users import User
from odeion.domain.shared.ids import UserId


def security_event(
    kind: SecurityEventKind, about: User | None, by: Viewer | None, caller: Caller, *, at: datetime, **details: object
) -> SecurityEvent:
    """What happened to an account, who did it (None: nobody signed in) and from where."""
    return SecurityEvent(
        at=at,
        kind=kind,
        user_id=about.id if about else None,
        username=about.username if about else None,
        actor_id=by.id if by else None,
        address=caller.address,
        user_agent=caller.user_agent,
        details=details,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEventFilter:
    """`username` is the name as it was then, ignoring case: the only way to those who are gone. `since` is within,
    `until` is not."""

    kind: SecurityEventKind | None = None
    user_id: UserId | None = None
    username: str | None = None
    actor_id: UserId | None = None
    address: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEventView:
    """`user_id` and `username` are whom it is about, the name as it was then; `actor_id` and `actor_username` who did
    it, the name as it is now. An id is None where there was nobody, or is nobody any more."""

    id: int
    at: datetime
    kind: SecurityEventKind
    user_id: int | None
    username: str | None
    actor_id: int | None
    actor_username: str | None
    address: str | None
    user_agent: str | None
    details: dict[str, Any]


class SecurityTrailQueries(Protocol):
    async def list_events(
        self, viewer: Viewer, where: SecurityEventFilter, page: PageRequest
    ) -> Page[SecurityEventView]:
        """Newest first."""
