"""One's own account: profile, password, and the devices it is signed in on."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from odeion.application.identity.device_codes import DeviceCode
from odeion.application.identity.login_sessions import LoginSessionView
from odeion.application.identity.sign_in import SignedIn
from odeion.application.identity.views import UserView
from odeion.application.shared.page import Page
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.api_keys import Scope
from odeion.domain.shared.errors import Conflict, Forbidden, NotFound
from odeion.domain.shared.ids import LoginSessionId
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.endpoint import Area
from odeion.entrypoints.http.models import Id, Name, PageQuery, Password, Request
from odeion.entrypoints.http.security import caller

area = Area("account")


@area.get("/api/users/me", tag="Users", access=Access.VIEWER, scope=Scope.ACCOUNT)
async def get_current_user(viewer: Viewer) -> UserView:
    """Get current user

    Returns the authenticated user's profile."""
    return await use_cases().account.get(viewer)


class ChangeAccountRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"display_name": "Mira"}]})

    display_name: Name


# None of the routes below has a scope: a key must never change who may sign in.
@area.patch("/api/users/me", tag="Users", access=Access.VIEWER, errors=(Conflict,))
async def change_current_user(viewer: Viewer, body: ChangeAccountRequest) -> UserView:
    """Change current user

    Changes the name that others see. The user name is for an administrator to change."""
    return await use_cases().account.change(viewer, display_name=body.display_name)


class ChangePasswordRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"current_password": "correct horse", "new_password": "battery staple"}]}
    )

    current_password: Password | None = Field(None, description="Left out only by an account that has none yet")
    new_password: Password


@area.put("/api/users/me/password", tag="Auth", access=Access.VIEWER, status=204, errors=(Conflict, Forbidden))
async def change_password(viewer: Viewer, body: ChangePasswordRequest) -> None:
    """Change password

    Change the authenticated user's password. All other sessions end. An account without a password may set a first one
    within ten minutes of signing in."""
    await use_cases().passwords.change_own(viewer, caller(), current=body.current_password, new=body.new_password)


@area.get("/api/auth/sessions", tag="Auth", access=Access.VIEWER)
async def list_sessions(viewer: Viewer, query: PageQuery) -> Page[LoginSessionView]:
    """List sessions

    Returns the devices the user is signed in on, the asking one first."""
    return await use_cases().login_session_queries.list_own(viewer, query.page_request())


@area.delete("/api/auth/sessions/{id}", tag="Auth", access=Access.VIEWER, status=204, errors=(NotFound,))
async def end_session(viewer: Viewer, id: Id) -> None:
    """End session

    Signs one of the user's devices out."""
    await use_cases().login_sessions.end(viewer, LoginSessionId(id), caller())


@area.post("/api/auth/sign-out", tag="Auth", access=Access.VIEWER, status=204)
async def sign_out(viewer: Viewer) -> None:
    """Sign out

    Ends the session that asks."""
    await use_cases().login_sessions.sign_out(viewer, caller())


class SignOutEverywhereRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"keep_current": True}]})

    keep_current: bool = Field(description="Whether the asking session goes on")


@area.post("/api/auth/sign-out-everywhere", tag="Auth", access=Access.VIEWER, status=204)
async def sign_out_everywhere(viewer: Viewer, body: SignOutEverywhereRequest) -> None:
    """Sign out everywhere

    Ends all of the user's sessions, or all but the asking one, and voids codes and links by which new ones could be
    opened. API keys go on until they are revoked."""
    await use_cases().login_sessions.sign_out_everywhere(viewer, caller(), keep_current=body.keep_current)


@area.post("/api/auth/device-code", tag="Auth", access=Access.VIEWER, errors=(Conflict,))
async def create_device_code(viewer: Viewer) -> DeviceCode:
    """Generate device code

    Create a device pairing code for the authenticated user: five characters, good once, for ten minutes. It voids an
    earlier one."""
    return await use_cases().device_codes.create(viewer, caller())


class DeviceLoginRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "AB3CD", "device_name": "Living room TV"}]})

    code: Annotated[str, StringConstraints(min_length=1, max_length=20)]
    device_name: Name | None = Field(None, description="What the device is called in the list of sessions")


@area.post("/api/auth/device-login", tag="Auth", access=Access.PUBLIC, errors=(Forbidden,))
async def device_login(body: DeviceLoginRequest) -> SignedIn:
    """Redeem device code

    Exchange a device pairing code for a JWT session token."""
    return await use_cases().device_codes.redeem(body.code, body.device_name, caller())
