"""Writing and reading the audit trail."""

from __future__ import annotations

from datetime import datetime

from odeion.application.identity.caller import Caller
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.security_events import SecurityEvent, SecurityEventKind
from odeion.domain.identity.users import User


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
