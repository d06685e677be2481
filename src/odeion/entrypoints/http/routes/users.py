"""Everybody's accounts and the audit trail, for administrators; and resetting a password by their link."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, field_validator

from odeion.application.identity.passwords import PasswordReset, ResetLink
from odeion.application.identity.trail import SecurityEventFilter, SecurityEventView
from odeion.application.identity.users import UserFilter, UserSort, UserSummary
from odeion.application.progress.activity import UserActivity
from odeion.application.shared.page import Page, SortOrder
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.security_events import SecurityEventKind
from odeion.domain.identity.users import Role
from odeion.domain.shared.errors import Conflict, Forbidden, NotFound
from odeion.domain.shared.ids import LibraryId, UserId
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.endpoint import Area
from odeion.entrypoints.http.models import Id, PageQuery, Password, Request, Text, Username
from odeion.entrypoints.http.security import caller

area = Area("users")


class UserQuery(PageQuery):
    search: Text | None = Field(None, description="A part of the user name or the display name")
    role: Role | None = None
    locked: bool | None = None
    sort: UserSort = UserSort.USERNAME
    order: SortOrder = SortOrder.ASC

    def filter(self) -> UserFilter:
        return UserFilter(search=self.search, role=self.role, locked=self.locked, sort=self.sort, order=self.order)


@area.get("/api/users", tag="Users", access=Access.ADMIN)
async def list_users(viewer: Viewer, query: UserQuery) -> Page[UserSummary]:
    """List all users

    Returns all users. Admin only."""
    return await use_cases().user_queries.list_users(viewer, query.filter(), query.page_request())


class PartialRequest(Request):
    """Only what is given is changed."""

    def changes(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.model_fields_set}


def _kept(value: object) -> object:
    if value is None:
        raise ValueError("this cannot be null; leave it out to keep it")
    return value


class PermissionsRequest(PartialRequest):
    api_keys: bool | None = None
    downloads: bool | None = None
    requests: bool | None = None
    watch_together: bool | None = None
    library_ids: Annotated[list[Id], Field(max_length=1000)] | None = Field(
        None, description="The libraries the person sees; null is all"
    )
    max_rating_age: Annotated[int, Field(ge=0, le=21)] | None = Field(
        None, description="Titles for an older age are hidden; null hides none"
    )
    allow_unrated: bool | None = None
    max_streams: Annotated[int, Field(ge=1, le=100)] | None = Field(None, description="Null is any number")

    _not_null = field_validator("api_keys", "downloads", "requests", "watch_together", "allow_unrated")(_kept)

    def changes(self) -> dict[str, Any]:
        changes = super().changes()
        if self.library_ids is not None:
            changes["library_ids"] = frozenset(LibraryId(library_id) for library_id in self.library_ids)
        return changes


class ChangeUserRequest(PartialRequest):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"role": "curator", "permissions": {"api_keys": True, "max_streams": 2}}]}
    )

    role: Role | None = None
    locked: bool | None = None
    password: Password | None = None
    username: Username | None = None
    permissions: PermissionsRequest | None = None

    _not_null = field_validator("role", "locked", "password", "username", "permissions")(_kept)

    def changes(self) -> dict[str, Any]:
        return super().changes() | ({"permissions": self.permissions.changes()} if self.permissions else {})


@area.get("/api/users/{id}", tag="Users", access=Access.ADMIN, errors=(NotFound,))
async def get_user(viewer: Viewer, id: Id) -> UserSummary:
    """Get a user

    One account, for its own page. Admin only."""
    return await use_cases().user_queries.get_user(viewer, UserId(id))


@area.patch("/api/users/{id}", tag="Users", access=Access.ADMIN, errors=(NotFound, Conflict))
async def change_user(viewer: Viewer, id: Id, body: ChangeUserRequest) -> UserSummary:
    """Update a user

    Partial update for a user. Any combination of role, locked, password, username, and permissions may be supplied;
    absent fields are left untouched. Self-mutation guards apply to role, lock, and password, and the last administrator
    stays one. A new role, lock or password ends the user's sessions. Admin only."""
    await use_cases().users.change(viewer, UserId(id), caller(), **body.changes())
    return await use_cases().user_queries.get_user(viewer, UserId(id))


@area.delete("/api/users/{id}", tag="Users", access=Access.ADMIN, status=204, errors=(NotFound, Conflict))
async def delete_user(viewer: Viewer, id: Id) -> None:
    """Delete a user

    Removes a user account. Admin only."""
    await use_cases().users.delete(viewer, UserId(id), caller())


@area.post("/api/users/{id}/reset-link", tag="Users", access=Access.ADMIN, status=201, errors=(NotFound, Conflict))
async def create_reset_link(viewer: Viewer, id: Id) -> ResetLink:
    """Generate password reset link

    Creates a password reset token for a user, good once, for a day; it voids an earlier one. Admin only."""
    return await use_cases().passwords.make_reset_link(viewer, UserId(id), caller())


class ResetPasswordRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"token": "2Zb0dXGqkGQ0YHkyXIYmPpGmxQ1zQZ7vV2cJt3nNf8k", "password": "correct horse"}]
        }
    )

    token: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(
        description="What follows the # in the link"
    )
    password: Password


@area.post("/api/auth/reset-password", tag="Auth", access=Access.PUBLIC, errors=(Forbidden,))
async def reset_password(body: ResetPasswordRequest) -> PasswordReset:
    """Redeem password reset

    Set a new password using a reset token. Public endpoint. All sessions of the account end; it signs nobody in."""
    return await use_cases().passwords.redeem_reset_link(body.token, body.password, caller())


@area.get("/api/admin/users/{id}/activity", tag="Users", access=Access.ADMIN, errors=(NotFound,))
async def get_user_activity(viewer: Viewer, id: Id, query: PageQuery) -> UserActivity:
    """Get user activity

    Returns watch history and progress for a user; the pages are those of the history. Admin only."""
    await use_cases().user_queries.get_user(viewer, UserId(id))
    return await use_cases().activity.of_user(viewer, UserId(id), query.page_request())


class SecurityEventQuery(PageQuery):
    kind: SecurityEventKind | None = None
    user_id: Id | None = Field(None, description="Whom it is about")
    username: Username | None = Field(None, description="Whom it is about, by the name they had then")
    actor_id: Id | None = Field(None, description="Who did it")
    address: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]*$")] | None = None
    since: AwareDatetime | None = Field(None, description="Then or later")
    until: AwareDatetime | None = Field(None, description="Before then")

    def filter(self) -> SecurityEventFilter:
        return SecurityEventFilter(
            kind=self.kind,
            user_id=UserId(self.user_id) if self.user_id else None,
            username=self.username,
            actor_id=UserId(self.actor_id) if self.actor_id else None,
            address=self.address,
            since=self.since,
            until=self.until,
        )


@area.get("/api/admin/security-events", tag="Admin", access=Access.ADMIN)
async def list_security_events(viewer: Viewer, query: SecurityEventQuery) -> Page[SecurityEventView]:
    """List security events

    Returns the audit trail of accounts, keys and sign-ins, newest first. Admin only."""
    return await use_cases().security_trail.list_events(viewer, query.filter(), query.page_request())
