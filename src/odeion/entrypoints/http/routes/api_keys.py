"""API keys of one's own, and of others for an administrator."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from odeion.application.identity.api_keys import ApiKeyList, NewApiKey
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.api_keys import Scope
from odeion.domain.shared.errors import Conflict, NotFound
from odeion.domain.shared.ids import ApiKeyId, UserId
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.endpoint import Area
from odeion.entrypoints.http.models import Id, Request

area = Area("api_keys")


class ApiKeyRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Home dashboard", "scopes": ["catalog"]}]})

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]


# None of these has a scope: a key must never lead to more keys.
@area.get("/api/account/api-keys", tag="API Keys", access=Access.VIEWER)
async def list_api_keys(viewer: Viewer) -> ApiKeyList:
    """List API keys

    Returns the calling user's API keys (without plaintext)."""
    return await use_cases().api_keys.list_own(viewer)


@area.post("/api/account/api-keys", tag="API Keys", access=Access.VIEWER, status=201, errors=(Conflict,))
async def create_api_key(viewer: Viewer, body: ApiKeyRequest) -> NewApiKey:
    """Create API key

    Generates a new API key. The plaintext value is returned exactly once."""
    return await use_cases().api_keys.create(viewer, name=body.name, scopes=body.scopes)


@area.delete("/api/account/api-keys/{id}", tag="API Keys", access=Access.VIEWER, status=204, errors=(NotFound,))
async def revoke_api_key(viewer: Viewer, id: Id) -> None:
    """Revoke API key

    Revokes one of the calling user's API keys."""
    await use_cases().api_keys.revoke_own(viewer, ApiKeyId(id))


@area.get("/api/admin/users/{userId}/api-keys", tag="API Keys", access=Access.ADMIN, errors=(NotFound,))
async def list_user_api_keys(viewer: Viewer, user_id: Id) -> ApiKeyList:
    """List a user's API keys (admin)

    Returns API keys belonging to the given user. Admin only."""
    return await use_cases().api_keys.list_of(viewer, UserId(user_id))


@area.delete(
    "/api/admin/users/{userId}/api-keys/{id}", tag="API Keys", access=Access.ADMIN, status=204, errors=(NotFound,)
)
async def revoke_user_api_key(viewer: Viewer, user_id: Id, id: Id) -> None:
    """Revoke a user's API key (admin)

    Revokes an API key for any user. Admin only."""
    await use_cases().api_keys.revoke_of(viewer, UserId(user_id), ApiKeyId(id))
