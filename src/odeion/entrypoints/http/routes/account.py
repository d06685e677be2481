"""One's own account."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, StringConstraints

from odeion.application.identity.views import UserView
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.api_keys import Scope
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.endpoint import Area
from odeion.entrypoints.http.models import Request

area = Area("account")

DisplayName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")
]


@area.get("/api/users/me", tag="Users", access=Access.VIEWER, scope=Scope.ACCOUNT)
async def get_current_user(viewer: Viewer) -> UserView:
    """Get current user

    Returns the authenticated user's profile."""
    return await use_cases().account.get(viewer)


class ChangeAccountRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"display_name": "Mira"}]})

    display_name: DisplayName


@area.patch("/api/users/me", tag="Users", access=Access.VIEWER)
async def change_current_user(viewer: Viewer, body: ChangeAccountRequest) -> UserView:
    """Change current user

    Changes the name that others see. The user name is for an administrator to change."""
    return await use_cases().account.change(viewer, display_name=body.display_name)
