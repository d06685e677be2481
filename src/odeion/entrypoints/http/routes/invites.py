"""Invites, and the accounts made with them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from odeion.application.identity.invites import InviteView
from odeion.application.identity.sign_in import SignedIn
from odeion.application.shared.page import Page
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.users import Role
from odeion.domain.shared.errors import Conflict, Forbidden, NotFound
from odeion.domain.shared.ids import InviteId
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.endpoint import Area
from odeion.entrypoints.http.models import Id, PageQuery, Password, Request, Username
from odeion.entrypoints.http.security import caller

area = Area("invites")

_HOURS_PER_YEAR = 365 * 24


class InviteRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"role": "viewer", "expires_in_hours": 168, "max_uses": 1}]}
    )

    role: Role = Field(Role.VIEWER, description="What the new account will be; moderators invite viewers and curators")
    expires_in_hours: Annotated[int, Field(ge=1, le=_HOURS_PER_YEAR)] | None = Field(
        168, description="Null: it never expires"
    )
    max_uses: Annotated[int, Field(ge=1, le=1000)] | None = Field(1, description="Null: any number")


@area.post("/api/users/invite", tag="Invites", access=Access.MODERATOR, status=201)
async def create_invite(viewer: Viewer, body: InviteRequest) -> InviteView:
    """Create invite code

    Generates a new invite code. Mod+ only."""
    lifetime = timedelta(hours=body.expires_in_hours) if body.expires_in_hours else None
    return await use_cases().invites.create(viewer, caller(), role=body.role, lifetime=lifetime, max_uses=body.max_uses)


@area.get("/api/users/invites", tag="Invites", access=Access.MODERATOR)
async def list_invites(viewer: Viewer, query: PageQuery) -> Page[InviteView]:
    """List invite codes

    Returns invite codes created by the current user, newest first. Mod+ only."""
    return await use_cases().invites.list_own(viewer, query.page_request())


@area.delete("/api/users/invites/{id}", tag="Invites", access=Access.MODERATOR, status=204, errors=(NotFound,))
async def delete_invite(viewer: Viewer, id: Id) -> None:
    """Delete invite code

    Deletes an invite code. Only the creator can delete their own invites. Mod+ only."""
    await use_cases().invites.delete_own(viewer, InviteId(id), caller())


class RegisterRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"invite_code": "7KQ4-M2XD-9PRT-WNB3", "username": "theo", "password": "correct horse"}]
        }
    )

    invite_code: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    username: Username
    password: Password


@area.post("/api/auth/register", tag="Auth", access=Access.PUBLIC, status=201, errors=(Forbidden, Conflict))
async def register(body: RegisterRequest) -> SignedIn:
    """Register

    Create a new account using an invite code, and sign it in. A name that is taken uses up nothing."""
    return await use_cases().registration.register(
        code=body.invite_code, username=body.username, password=body.password, caller=caller()
    )
