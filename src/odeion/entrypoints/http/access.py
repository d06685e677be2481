"""Who may call a route."""

from __future__ import annotations

from enum import StrEnum

from odeion.domain.identity.users import Role


class Access(StrEnum):
    """PUBLIC routes ask nobody who they are. REFRESH takes a refresh token as its bearer, STREAM the key in its path,
    SIGNED the file token in its query, TOKEN a session token that may also come in the query. The others name the least
    role."""

    PUBLIC = "public"
    REFRESH = "refresh"
    STREAM = "stream"
    SIGNED = "signed"
    TOKEN = "token"  # noqa: S105
    VIEWER = "viewer"
    CURATOR = "curator"
    MODERATOR = "moderator"
    ADMIN = "admin"

    @property
    def role(self) -> Role | None:
        """The least role; None where no role is asked for."""
        return Role(self.value) if self.value in set(Role) else None
