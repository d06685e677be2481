"""Files behind signed addresses: what somebody may fetch for a few minutes without any header, as browsers that save a
file, curl and wget do.

A token is for one kind, one thing and one person, and opens nothing else. Who it is for and what they may is asked
again when it is used. Each kind has an opener, which belongs to its area."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from odeion.application.shared.clock import Clock
from odeion.application.shared.downloads import Download
from odeion.application.shared.viewer import Viewer
from odeion.domain.shared.errors import Unauthorized
from odeion.domain.shared.ids import UserId


class FileKind(StrEnum):
    """MEDIA: a media file as it is. MEDIA_TRANSCODED: converted to a profile while it is sent."""

    MEDIA = "media"
    MEDIA_TRANSCODED = "media_transcoded"


# What is converted may have to wait for a place.
LIFETIMES = {FileKind.MEDIA: timedelta(minutes=10), FileKind.MEDIA_TRANSCODED: timedelta(hours=1)}


@dataclass(frozen=True, slots=True)
class FileClaims:
    """`subject` names the thing in words of its kind's opener."""

    kind: FileKind
    user_id: UserId
    subject: str


class FileTokenCodec(Protocol):
    """Signs and reads file tokens (JWT)."""

    def issue(self, claims: FileClaims, *, at: datetime, expires_at: datetime) -> str: ...

    def read(self, token: str, *, at: datetime) -> FileClaims:
        """Raises Unauthorized for anything but an unexpired file token of ours."""


class FileViewers(Protocol):
    async def find_user(self, user_id: UserId) -> Viewer | None:
        """Who that is now, signed in or not; None where they are locked or gone."""


# Asks whether the viewer may have the subject now. Raises Forbidden, NotFound, Conflict, Unavailable.
FileOpener = Callable[[Viewer, str], Awaitable[Download]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedUrl:
    """`url` can be opened by anything until `expires_at`, by whoever has it. `size_bytes` is null for what is made
    while it is sent."""

    url: str
    expires_at: datetime
    file_name: str
    size_bytes: int | None


class FileSigner:
    """Makes signed addresses. Ask first whether the viewer may have the thing."""

    def __init__(self, tokens: FileTokenCodec, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock

    def sign(
        self, viewer: Viewer, kind: FileKind, subject: str, *, file_name: str, size_bytes: int | None
    ) -> SignedUrl:
        now = self._clock.now()
        expires_at = now + LIFETIMES[kind]
        token = self._tokens.issue(FileClaims(kind, viewer.id, subject), at=now, expires_at=expires_at)
        return SignedUrl(
            url=f"/api/files?token={token}", expires_at=expires_at, file_name=file_name, size_bytes=size_bytes
        )


class SignedFiles:
    def __init__(
        self, tokens: FileTokenCodec, viewers: FileViewers, openers: Mapping[FileKind, FileOpener], clock: Clock
    ) -> None:
        self._tokens = tokens
        self._viewers = viewers
        self._openers = openers
        self._clock = clock

    async def open(self, token: str) -> Download:
        """What a token is for. Raises Unauthorized for a token that is not ours or not good any more, and for a user
        who is locked or gone; else as the opener of its kind."""
        claims = self._tokens.read(token, at=self._clock.now())
        viewer = await self._viewers.find_user(claims.user_id)
        if viewer is None:
            raise Unauthorized("this address is not valid any more")
        return await self._openers[claims.kind](viewer, claims.subject)
