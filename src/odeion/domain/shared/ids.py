"""Identifiers. All are positive 63-bit integers given out by the database, except where said otherwise."""

from __future__ import annotations

from typing import NewType

UserId = NewType("UserId", int)
LibraryId = NewType("LibraryId", int)
RootId = NewType("RootId", int)
MediaFileId = NewType("MediaFileId", int)
MovieId = NewType("MovieId", int)
SeriesId = NewType("SeriesId", int)
SeasonId = NewType("SeasonId", int)
EpisodeId = NewType("EpisodeId", int)
TaskId = NewType("TaskId", int)
PlaybackSessionId = NewType("PlaybackSessionId", int)
LoginSessionId = NewType("LoginSessionId", int)
ApiKeyId = NewType("ApiKeyId", int)
InviteId = NewType("InviteId", int)
PasskeyId = NewType("PasskeyId", int)
OAuthIdentityId = NewType("OAuthIdentityId", int)
PoolId = NewType("PoolId", int)
TranscodeSessionId = NewType("TranscodeSessionId", int)
