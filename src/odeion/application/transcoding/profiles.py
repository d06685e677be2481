"""The built-in targets, as they are told."""

from __future__ import annotations

from odeion.application.transcoding.views import TranscodeProfile
from odeion.domain.playback.profiles import PROFILES, Profile


def all_profiles() -> list[TranscodeProfile]:
    return [_told(profile) for profile in PROFILES]


def _told(profile: Profile) -> TranscodeProfile:
    return TranscodeProfile(
        name=profile.name.value,
        label=profile.label,
        video_codec=profile.video_codec,
        audio_codec=profile.audio_codec,
        max_height=profile.max_height,
        video_bitrate_bps=profile.video_bitrate_bps,
        audio_bitrate_bps=profile.audio_bitrate_bps,
    )
