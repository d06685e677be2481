"""What a person prefers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from odeion.domain.playback.profiles import ProfileName


class Theme(StrEnum):
    SYSTEM = "system"
    DARK = "dark"
    LIGHT = "light"


class SubtitleMode(StrEnum):
    """Which subtitles come on by themselves: none; forced ones, for what is foreign in the film; full ones when the
    sound is in no preferred language; full ones always."""

    OFF = "off"
    FORCED = "forced"
    FOREIGN_AUDIO = "foreign_audio"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSettings:
    """With the defaults of who chose nothing. `language` is that of the web app, None the browser's. The lists of
    languages go from the most wanted down; without any the file's own default counts. `quality` is where playback
    starts."""

    language: str | None = None
    theme: Theme = Theme.SYSTEM
    quality: ProfileName = ProfileName.AUTO
    audio_languages: tuple[str, ...] = ()
    subtitle_languages: tuple[str, ...] = ()
    subtitle_mode: SubtitleMode = SubtitleMode.FORCED
    autoplay_next: bool = True
