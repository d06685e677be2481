"""Invites: the only way to an account of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from odeion.domain.identity.users import Role, User
from odeion.domain.shared.errors import Forbidden
from odeion.domain.shared.events import RecordsEvents
from odeion.domain.shared.ids import InviteId, UserId

# 80 bits: they are passed on in chats and live for days.
CODE_LENGTH = 16


class InviteState(StrEnum):
    OPEN = "open"
    EXPIRED = "expired"
    USED_UP = "used_up"


def may_invite(maker: Role, invited: Role) -> bool:
    """Administrators invite anybody; moderators those below them."""
    if maker is Role.ADMIN:
        return True
    return maker is Role.MODERATOR and invited in (Role.VIEWER, Role.CURATOR)


@dataclass(kw_only=True)
class Invite(RecordsEvents):
    """`code_hash` is what it is found by; `sealed_code` is the code again for its maker, encrypted. `max_uses` None is
    any number, `expires_at` None is never."""

    id: InviteId | None
    created_by: UserId
    code_hash: bytes
    sealed_code: bytes
    role: Role
    max_uses: int | None
    uses: int = 0
    created_at: datetime
    expires_at: datetime | None
    version: int = 1

    @classmethod
    def create(
        cls,
        *,
        maker: User,
        code_hash: bytes,
        sealed_code: bytes,
        role: Role,
        max_uses: int | None,
        expires_at: datetime | None,
        at: datetime,
    ) -> Invite:
        """Raises Forbidden for a role that the maker may not give."""
        if maker.id is None or not may_invite(maker.role, role):
            raise Forbidden(f"with your role you cannot invite somebody as {role}")
        return cls(
            id=None,
            created_by=maker.id,
            code_hash=code_hash,
            sealed_code=sealed_code,
            role=role,
            max_uses=max_uses,
            created_at=at,
            expires_at=expires_at,
        )

    def state(self, *, at: datetime) -> InviteState:
        if self.max_uses is not None and self.uses >= self.max_uses:
            return InviteState.USED_UP
        if self.expires_at is not None and at >= self.expires_at:
            return InviteState.EXPIRED
        return InviteState.OPEN

    def is_backed_by(self, maker: User) -> bool:
        """Whether its maker could still make it: an invite is worth no more than who answers for it."""
        return not maker.is_locked and may_invite(maker.role, self.role)
