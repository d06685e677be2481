"""Who may call a route."""

from __future__ import annotations

from enum import StrEnum

from odeion.domain.identity import Role


class Access(StrEnum):
    """PUBLIC routes ask nobody who they are; REFRESH takes a refresh token as its bearer and STREAM the key in its
    path; the others name the least role."""

    PUBLIC = "public"
    REFRESH = "refresh"
    STREAM = "stream"
    VIEWER = "viewer"
    CURATOR = "curator"
    MODERATOR = "moderator"
    ADMIN = "admin"

    @property
    def role(self) -> Role | None:
        """The least role; None where no role is asked for."""
        return Role(self.value) if self.value in set(Role) else None
