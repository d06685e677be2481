"""The folders the server works with: library roots and caches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from odeion.application.libraries.ports import FolderInspector
from odeion.application.libraries.repositories import LibrariesTx
from odeion.application.shared.clock import Clock
from odeion.application.shared.settings import SettingRepository
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.users import Role
from odeion.domain.library import Library
from odeion.domain.shared.errors import FieldError, Invalid, NotFound

_SETTING = "paths"


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryRoots:
    """The folders of one library."""

    library_id: int
    library_name: str
    paths: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPaths:
    """`transcode_cache` and `subtitle_cache` take effect for what is cached from now on."""

    libraries: list[LibraryRoots]
    transcode_cache: str
    subtitle_cache: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRoots:
    library_id: int
    paths: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultPaths:
    transcode_cache: str
    subtitle_cache: str


class PathsTx(LibrariesTx, Protocol):
    @property
    def settings(self) -> SettingRepository: ...


class PathSettings:
    def __init__(
        self, uow: UnitOfWorkFactory[PathsTx], folders: FolderInspector, defaults: DefaultPaths, clock: Clock
    ) -> None:
        self._uow = uow
        self._folders = folders
        self._defaults = defaults
        self._clock = clock

    async def get(self, viewer: Viewer) -> MediaPaths:
        viewer.require(Role.MODERATOR)
        async with self._uow() as tx:
            return await self._read(tx)

    async def update(
        self,
        viewer: Viewer,
        *,
        libraries: Sequence[ChangedRoots] | None,
        transcode_cache: str | None,
        subtitle_cache: str | None,
    ) -> MediaPaths:
        """Change what is given, all of it or nothing; a new root is not scanned by itself. Raises Invalid for a path
        the server cannot use, NotFound for an unknown library."""
        viewer.require(Role.ADMIN)
        await self._check(libraries or (), transcode_cache, subtitle_cache)
        now = self._clock.now()
        async with self._uow() as tx:
            every = {int(library.id or 0): library for library in await tx.libraries.list_all()}
            for change in libraries or ():
                library = _find(every, change.library_id)
                library.change(paths=list(change.paths), at=now)
            _refuse_overlaps(list(every.values()))
            for change in libraries or ():
                await tx.libraries.save(_find(every, change.library_id))
            stored = await self._stored(tx)
            chosen = {"transcode_cache": transcode_cache, "subtitle_cache": subtitle_cache}
            stored |= {key: path for key, path in chosen.items() if path is not None}
            await tx.settings.put(_SETTING, stored, at=now)
            await tx.commit()
        async with self._uow() as tx:
            return await self._read(tx)

    async def transcode_cache(self) -> Path:
        """Where segments are kept now."""
        async with self._uow() as tx:
            return Path((await self._read(tx)).transcode_cache)

    async def subtitle_cache(self) -> Path:
        """Where converted subtitles are kept now."""
        async with self._uow() as tx:
            return Path((await self._read(tx)).subtitle_cache)

    async def _read(self, tx: PathsTx) -> MediaPaths:
        stored = await self._stored(tx)
        return MediaPaths(
            libraries=[
                LibraryRoots(
                    library_id=library.id or 0,
                    library_name=library.name,
                    paths=[root.path for root in library.roots],
                )
                for library in await tx.libraries.list_all()
            ],
            transcode_cache=stored.get("transcode_cache", self._defaults.transcode_cache),
            subtitle_cache=stored.get("subtitle_cache", self._defaults.subtitle_cache),
        )

    async def _stored(self, tx: PathsTx) -> dict[str, str]:
        stored = await tx.settings.find(_SETTING)
        return dict(stored) if isinstance(stored, dict) else {}

    async def _check(
        self, libraries: Sequence[ChangedRoots], transcode_cache: str | None, subtitle_cache: str | None
    ) -> None:
        refusals = []
        for position, change in enumerate(libraries):
            for index, path in enumerate(change.paths):
                state = await self._folders.inspect(path)
                if not state.usable:
                    refusals.append(FieldError(f"body.libraries.{position}.paths.{index}", state.message))
        for name, cache in (("transcode_cache", transcode_cache), ("subtitle_cache", subtitle_cache)):
            if cache is not None:
                state = await self._folders.inspect(cache)
                if not (state.usable and state.writable):
                    message = state.message if not state.usable else "the server may not write here"
                    refusals.append(FieldError(f"body.{name}", message))
        if refusals:
            raise Invalid("a folder cannot be used", fields=refusals)


def _find(every: Mapping[int, Library], library_id: int) -> Library:
    if library_id not in every:
        raise NotFound("library not found")
    return every[library_id]


def _refuse_overlaps(libraries: Sequence[Library]) -> None:
    roots = [(library, root) for library in libraries for root in library.roots]
    for position, (library, root) in enumerate(roots):
        for other, theirs in roots[:position]:
            if other is not library and root.overlaps(theirs):
                raise Invalid(
                    "libraries overlap",
                    fields=[FieldError("body.libraries", f"{root.path} is covered by {other.name!r}")],
                )
