"""Media as whole files: as they are, or converted to a profile while they are fetched."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from odeion.application.playback.ports import FileReader, PlayableItem, PlayableSources, ProgressiveTranscoder
from odeion.application.playback.streams import stored_file
from odeion.application.shared.downloads import Download, MadeFile
from odeion.application.shared.signed_files import FileKind, FileSigner, SignedUrl
from odeion.application.shared.viewer import Viewer
from odeion.domain.catalog import MediaRef, PlayableType
from odeion.domain.playback.policy import ServerPolicy
from odeion.domain.playback.profiles import PROFILES, ProfileName
from odeion.domain.playback.progressive import plan_progressive
from odeion.domain.shared.errors import FieldError, Forbidden, Invalid, NotFound
from odeion.domain.shared.ids import MediaFileId

_PROFILES = {profile.name: profile for profile in PROFILES}


class MediaDownloads:
    """Methods raise NotFound, Conflict (no file can be played, or the profile cannot be made of it) and Unavailable
    (its disk is away)."""

    def __init__(
        self,
        sources: PlayableSources,
        files: FileReader,
        transcoder: ProgressiveTranscoder,
        signer: FileSigner,
        policy: Callable[[], Awaitable[ServerPolicy]],
    ) -> None:
        self._sources = sources
        self._files = files
        self._transcoder = transcoder
        self._signer = signer
        self._policy = policy

    async def stream(self, viewer: Viewer, media: MediaRef, profile: ProfileName, *, start_ms: int) -> Download:
        """The media's best file in a profile, from a time on. Raises Invalid for a time that is not in it."""
        item = await self._sources.get_item(viewer, media, None)
        if start_ms and (profile is ProfileName.NATIVE or start_ms >= item.source.technical.duration_ms):
            wanted = "bytes of the file itself are asked for by range" if profile is ProfileName.NATIVE else "too late"
            raise Invalid("it cannot begin there", fields=[FieldError("query.start_position_ms", wanted)])
        return await self._made(viewer, item, profile, start_ms / 1000)

    async def sign(
        self, viewer: Viewer, media: MediaRef, file_id: MediaFileId | None, profile: ProfileName | None
    ) -> SignedUrl:
        """An address to download a file by, the best one unless told; as it is without a profile. Raises Forbidden for
        viewers who may not download."""
        _require_downloads(viewer)
        item = await self._sources.get_item(viewer, media, file_id)
        subject = f"{media.type.value}:{media.id}:{item.source.file_id}"
        if profile is None:
            return self._signer.sign(
                viewer,
                FileKind.MEDIA,
                subject,
                file_name=item.source.file_name,
                size_bytes=item.source.stamp.size_bytes,
            )
        made = await self._made(viewer, item, profile, 0)
        return self._signer.sign(
            viewer,
            FileKind.MEDIA_TRANSCODED,
            f"{subject}:{profile.value}",
            file_name=made.file_name,
            size_bytes=None if isinstance(made.content, MadeFile) else made.content.size_bytes,
        )

    async def open_signed(self, viewer: Viewer, subject: str) -> Download:
        """What `sign` gave an address to, where the viewer may still have it. Raises Forbidden as well."""
        _require_downloads(viewer)
        match subject.split(":"):
            case [kind, media_id, file_id, *profile]:
                media = MediaRef(PlayableType(kind), int(media_id))
                name = ProfileName(profile[0]) if profile else ProfileName.NATIVE
                item = await self._sources.get_item(viewer, media, MediaFileId(int(file_id)))
                return await self._made(viewer, item, name, 0)
        raise NotFound("no such file")

    async def close(self) -> None:
        """Stop all conversions."""
        await self._transcoder.close()

    async def _made(self, viewer: Viewer, item: PlayableItem, name: ProfileName, start_s: float) -> Download:
        source = item.source
        if name is ProfileName.NATIVE:
            return Download(file_name=source.file_name, content=await stored_file(self._files, source))
        profile = _PROFILES[name]
        plan = plan_progressive(source.technical, profile, await self._policy())
        return Download(
            file_name=f"{item.title} ({profile.label}).{plan.extension}",
            content=MadeFile(
                media_type=plan.media_type,
                begin=lambda: self._transcoder.begin(source, plan, start_s=start_s, user_id=viewer.id),
            ),
        )


def _require_downloads(viewer: Viewer) -> None:
    if viewer.limits is not None and not viewer.limits.downloads:
        raise Forbidden("you may not download; an administrator can allow it")
