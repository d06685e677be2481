"""People: who they are and what they may do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from odeion.domain.shared.errors import FieldError, Forbidden, Invalid
from odeion.domain.shared.events import Event, RecordsEvents
from odeion.domain.shared.ids import LibraryId, UserId

MIN_PASSWORD_LENGTH = 8
MAX_PASSWORD_LENGTH = 256

_USERNAME = re.compile(r"[\w.@+-]{1,64}")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What an administrator may grant or take from one person, beside the role. Limits do not bind administrators, who
    could lift them. `library_ids`: the libraries the person sees; None is all. `max_rating_age`: titles rated for an
    older age are hidden, and unrated ones too unless `allow_unrated`. `max_streams`: how many things may play at once;
    None is any number."""

    api_keys: bool = False
    downloads: bool = True
    requests: bool = True
    watch_together: bool = True
    library_ids: frozenset[LibraryId] | None = None
    max_rating_age: int | None = None
    allow_unrated: bool = False
    max_streams: int | None = None

    def sees_library(self, library_id: LibraryId) -> bool:
        return self.library_ids is None or library_id in self.library_ids

    def allow(self, library_id: LibraryId, rating_age: int | None) -> bool:
        """Whether a title in this library, rated for this age (None: unrated), may be seen."""
        if not self.sees_library(library_id):
            return False
        if self.max_rating_age is None:
            return True
        return self.allow_unrated if rating_age is None else rating_age <= self.max_rating_age


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCreated(Event):
    name = "user.created"
    username: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSignedIn(Event):
    name = "user.signed_in"
    user_id: int


def check_username_rules(username: str) -> None:
    """Raises Invalid for a name with other than letters, digits and `.@+-_`."""
    if not _USERNAME.fullmatch(username):
        raise Invalid(
            "this user name cannot be used",
            fields=[FieldError("body.username", "1 to 64 letters, digits, or one of . @ + - _")],
        )


def check_password_rules(password: str, *, field: str = "body.password") -> None:
    """Raises Invalid, naming `field`, for a password that is too short or too long to hash in bounded time."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise Invalid(
            "this password cannot be used",
            fields=[FieldError(field, f"{MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters")],
        )


@dataclass(kw_only=True)
class User(RecordsEvents):
    """An account. `password_hash` is None for one that signs in some other way only."""

    id: UserId | None
    username: str
    display_name: str
    password_hash: str | None
    role: Role
    is_locked: bool = False
    permissions: Permissions = field(default_factory=Permissions)
    created_at: datetime
    version: int = 1

    @classmethod
    def create(cls, *, username: str, password_hash: str | None, role: Role, at: datetime) -> User:
        """A new account. Raises Invalid for a name that cannot be used."""
        check_username_rules(username)
        user = cls(
            id=None, username=username, display_name=username, password_hash=password_hash, role=role, created_at=at
        )
        user._record(UserCreated(at=at, username=username, role=role.value))
        return user

    def change_password(self, password_hash: str) -> None:
        self.password_hash = password_hash

    def rename(self, username: str) -> None:
        """Raises Invalid for a name that cannot be used."""
        check_username_rules(username)
        if self.display_name == self.username:
            self.display_name = username
        self.username = username

    def assign_role(self, role: Role, *, by: UserId) -> None:
        """Raises Forbidden for one's own."""
        self._refuse_own("role", by)
        self.role = role

    def lock(self, *, by: UserId) -> None:
        """Close every way in. Raises Forbidden for one's own account."""
        self._refuse_own("lock", by)
        self.is_locked = True

    def unlock(self, *, by: UserId) -> None:
        self._refuse_own("lock", by)
        self.is_locked = False

    def replace_password(self, password_hash: str, *, by: UserId) -> None:
        """Set somebody's password without knowing the old one. Raises Forbidden for one's own: whoever sits at an open
        session does not own the account yet."""
        self._refuse_own("password", by)
        self.password_hash = password_hash

    def _refuse_own(self, what: str, by: UserId) -> None:
        if self.id == by:
            raise Forbidden(f"you cannot change your own {what} here")

    @property
    def may_use_api_keys(self) -> bool:
        """Administrators always may; others where it was switched on for them."""
        return self.role is Role.ADMIN or self.permissions.api_keys

    def require_may_sign_in(self) -> None:
        """Raises Forbidden for a locked account. Ask only after the password was right."""
        if self.is_locked:
            raise Forbidden("this account is locked")

    def signed_in(self, *, at: datetime) -> None:
        self._record(UserSignedIn(at=at, user_id=self.id or 0))
