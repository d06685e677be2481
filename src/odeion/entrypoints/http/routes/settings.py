"""One's own settings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.api_keys import Scope
from odeion.domain.playback.profiles import ProfileName
from odeion.domain.user_settings import SubtitleMode, Theme, UserSettings
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.endpoint import Area
from odeion.entrypoints.http.models import Request

area = Area("settings")

Language = Annotated[
    str, StringConstraints(max_length=20, pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"), Field(examples=["de", "pt-BR"])
]
Languages = Annotated[list[Language], Field(max_length=20)]


class UserSettingsRequest(Request):
    """Only what is given is changed; null goes back to the default."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"audio_languages": ["ja", "en"], "subtitle_mode": "foreign_audio"}]}
    )

    language: Language | None = None
    theme: Theme | None = None
    quality: ProfileName | None = None
    audio_languages: Languages | None = None
    subtitle_languages: Languages | None = None
    subtitle_mode: SubtitleMode | None = None
    autoplay_next: bool | None = None

    def changes(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_unset=True)


@area.get("/api/settings", tag="Settings", access=Access.VIEWER, scope=Scope.ACCOUNT)
async def get_user_settings(viewer: Viewer) -> UserSettings:
    """Get user settings

    Returns the authenticated user's settings, with defaults applied."""
    return await use_cases().own_settings.get(viewer)


@area.put("/api/settings", tag="Settings", access=Access.VIEWER, scope=Scope.ACCOUNT)
async def update_user_settings(viewer: Viewer, body: UserSettingsRequest) -> UserSettings:
    """Update user settings

    Merges the request body into the user's settings."""
    return await use_cases().own_settings.change(viewer, body.changes())
