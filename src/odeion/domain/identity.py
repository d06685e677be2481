"""People: who they are, what they may do, and how they prove it."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Each role includes the ones before it."""

    VIEWER = "viewer"
    CURATOR = "curator"
    MODERATOR = "moderator"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Whether this role may do what `other` may."""
        ladder = list(Role)
        return ladder.index(self) >= ladder.index(other)
