"""Accounts as they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from odeion.domain.identity.users import Permissions, User


@dataclass(frozen=True, slots=True, kw_only=True)
class UserView:
    """An account as its owner sees it. `has_password` is false for one that signs in some other way only."""

    id: int
    username: str
    display_name: str
    role: str
    permissions: Permissions
    has_password: bool
    created_at: datetime


def user_view(user: User) -> UserView:
    assert user.id is not None
    return UserView(
        id=user.id,
        username=user.username,
        display_name=user.display_name,
        role=user.role.value,
        permissions=user.permissions,
        has_password=user.password_hash is not None,
        created_at=user.created_at,
    )
