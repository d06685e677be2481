"""Scanning: bring what is known of a library's files in line with the disk, without ever believing a vanished one."""

from __future__ import annotations

import asyncio
import hashlib
import posixpath
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from odeion.application.libraries.ports import (
    MediaProbe,
    MediaTree,
    NameParser,
    ProbeRefusal,
    RootUnavailable,
    TreeFingerprint,
    TreeListing,
)
from odeion.application.libraries.repositories import KnownFile, LibrariesTx, PlacedFile
from odeion.application.shared.clock import Clock
from odeion.application.shared.tasks import TaskProgress
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.domain.catalog import Placement, place
from odeion.domain.library import Library, LibraryKind, LibraryRoot
from odeion.domain.media_file import FileStamp, FileState, MediaFile, SidecarSubtitle, TechnicalInfo
from odeion.domain.naming import NameKind
from odeion.domain.shared.errors import Unavailable
from odeion.domain.shared.ids import LibraryId

# Results are written together: one transaction for many files, and never much to lose.
_BATCH = 100
# A file whose mtime is younger than this may still be written to; it is looked at again until it rests.
_SETTLE_S = 5.0
_SETTLE_TRIES = 3
# More files than both of these gone at once looks like a fault, not like tidying up.
_LOSS_SHARE = 0.10
_LOSS_FILES = 10


@dataclass(slots=True)
class ScanCounts:
    """The `detail` of a scan task."""

    phase: str | None = "walking"
    files_found: int = 0
    files_new: int = 0
    files_done: int = 0
    files_failed: int = 0
    files_missing: int = 0


@dataclass(frozen=True, slots=True)
class _RootPlan:
    """What a scan has to do below one root. `to_probe` maps relative paths to stamps."""

    root: LibraryRoot
    listing: TreeListing
    digest: bytes | None
    to_probe: dict[str, FileStamp]
    moved: list[tuple[KnownFile, str]]
    missing: list[KnownFile]
    returned: list[KnownFile]
    touched_sidecars: list[tuple[KnownFile, tuple[SidecarSubtitle, ...]]]
    known: dict[str, KnownFile]


class LibraryScanner:
    """Implements the handler of scan tasks."""

    def __init__(
        self,
        uow: UnitOfWorkFactory[LibrariesTx],
        tree: MediaTree,
        probe: MediaProbe,
        names: NameParser,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._tree = tree
        self._probe = probe
        self._names = names
        self._clock = clock

    async def __call__(self, payload: dict[str, Any], progress: TaskProgress) -> dict[str, Any]:
        """Scan the library in `payload`. Raises Unavailable when a root cannot be believed; the other roots are
        scanned all the same."""
        library_id = LibraryId(payload["library_id"])
        async with self._uow() as tx:
            library = await tx.libraries.get(library_id)
        counts = ScanCounts()
        await progress.report(0.0, asdict(counts))

        plans: list[_RootPlan] = []
        refused: list[str] = []
        for root in library.roots:
            try:
                found = await self._tree.fingerprint(root.path, ignore_patterns=library.options.ignore_patterns)
                digest = _digest(found, library) if found.is_whole else None
                if await self._is_known(root, digest):
                    counts.files_found += found.video_count
                    await self._note_available(root, found.device, digest)
                    continue
                plan = await self._plan(library, root, digest, accept_loss=bool(payload.get("accept_loss")))
            except RootUnavailable as error:
                refused.append(f"{root.path}: {error.message}")
                await self._note_unavailable(root, error.message)
                continue
            plans.append(plan)
            counts.files_found += len(plan.listing.videos)
            counts.files_new += len(plan.to_probe)
            counts.files_missing += len(plan.missing)

        counts.phase = "probing"
        for plan in plans:
            await self._apply_without_probing(library, plan)
            settled = await self._probe_files(library, plan, counts, progress)
            await self._note_done(plan, settled=settled)

        counts.phase = None
        if refused:
            raise Unavailable("; ".join(refused))
        async with self._uow() as tx:
            library = await tx.libraries.get(library_id)
            library.scanned(
                files_found=counts.files_found,
                files_new=counts.files_new,
                files_failed=counts.files_failed,
                files_missing=counts.files_missing,
                at=self._clock.now(),
            )
            await tx.libraries.save(library)
            await tx.commit()
        return asdict(counts)

    async def _is_known(self, root: LibraryRoot, digest: bytes | None) -> bool:
        """Whether the tree is as the last complete scan left it."""
        assert root.id is not None
        async with self._uow() as tx:
            return digest is not None and await tx.libraries.tree_digest(root.id) == digest

    async def _plan(self, library: Library, root: LibraryRoot, digest: bytes | None, *, accept_loss: bool) -> _RootPlan:
        """Walk a root and compare it with what is known. `digest` is older than the walk: what changes in between is
        looked at again by the next scan."""
        assert root.id is not None
        listing = await self._tree.list(root.path, ignore_patterns=library.options.ignore_patterns)
        async with self._uow() as tx:
            known = await tx.media_files.known(root.id)
        plan = await asyncio.to_thread(self._compare, root, listing, digest, known)
        _refuse_implausible_loss(plan, known, accept_loss=accept_loss)
        return plan

    def _compare(
        self, root: LibraryRoot, listing: TreeListing, digest: bytes | None, known_files: Sequence[KnownFile]
    ) -> _RootPlan:
        known = {file.relative_path: file for file in known_files}
        found = {file.relative_path: file.stamp for file in listing.videos}
        gone = [f for path, f in known.items() if path not in found and not _below_any(path, listing.unreadable)]
        # Bytes are taken for the same when size, mtime and inode agree; on another file system a move makes a new
        # inode, so size and mtime are the next best, if they point at one file only.
        gone_by_stamp = {f.stamp: f for f in gone}
        gone_by_content: dict[tuple[int, int], list[KnownFile]] = defaultdict(list)
        for file in gone:
            gone_by_content[file.stamp.size_bytes, file.stamp.mtime_ns].append(file)

        to_probe: dict[str, FileStamp] = {}
        moved: list[tuple[KnownFile, str]] = []
        returned: list[KnownFile] = []
        taken: set[int] = set()
        for path, stamp in found.items():
            before = known.get(path)
            if before is not None and before.stamp == stamp:
                if before.state is FileState.MISSING:
                    returned.append(before)
                elif before.state is FileState.PENDING:
                    to_probe[path] = stamp
                continue
            if before is None:
                candidates = gone_by_content[stamp.size_bytes, stamp.mtime_ns]
                origin = gone_by_stamp.get(stamp) or (candidates[0] if len(candidates) == 1 else None)
                if origin is not None and origin.id not in taken:
                    taken.add(origin.id)
                    moved.append((origin, path))
                    continue
            to_probe[path] = stamp

        return _RootPlan(
            root=root,
            listing=listing,
            digest=digest,
            to_probe=to_probe,
            moved=moved,
            missing=[f for f in gone if f.id not in taken and f.state is not FileState.MISSING],
            returned=returned,
            touched_sidecars=self._touched_sidecars(listing, found, known),
            known=known,
        )

    def _touched_sidecars(
        self, listing: TreeListing, found: dict[str, FileStamp], known: dict[str, KnownFile]
    ) -> list[tuple[KnownFile, tuple[SidecarSubtitle, ...]]]:
        """Known, unchanged files whose subtitle files came, went, or were renamed."""
        beside = _subtitles_by_folder(listing.subtitles)
        touched = []
        for path, file in known.items():
            if path not in found or not (file.sidecars or posixpath.dirname(path) in beside):
                continue
            sidecars = self._sidecars(path, beside)
            if sidecars != file.sidecars:
                touched.append((file, sidecars))
        return touched

    def _sidecars(self, path: str, beside: dict[str, list[str]]) -> tuple[SidecarSubtitle, ...]:
        subtitles = beside.get(posixpath.dirname(path))
        return self._names.sidecars(path, subtitles) if subtitles else ()

    async def _apply_without_probing(self, library: Library, plan: _RootPlan) -> None:
        """Moves, losses, returns and subtitle files: what needs no look into the media."""
        assert library.id is not None and plan.root.id is not None
        now = self._clock.now()
        new_paths = {origin.id: path for origin, path in plan.moved}
        new_sidecars = {file.id: sidecars for file, sidecars in plan.touched_sidecars}
        missing = {file.id for file in plan.missing}
        returned = {file.id for file in plan.returned}
        ids = sorted({*new_paths, *new_sidecars, *missing, *returned})
        beside = _subtitles_by_folder(plan.listing.subtitles)
        for start in range(0, len(ids), _BATCH):
            async with self._uow() as tx:
                files = await tx.media_files.get_many(ids[start : start + _BATCH])
                placed: list[PlacedFile] = []
                for file in files:
                    assert file.id is not None
                    if file.id in missing:
                        file.went_missing(at=now)
                    if file.id in returned:
                        file.came_back()
                    if file.id in new_sidecars:
                        file.sidecars = new_sidecars[file.id]
                    if file.id in new_paths:
                        file.moved(plan.root.id, new_paths[file.id])
                        file.sidecars = self._sidecars(file.relative_path, beside)
                        placed.append(PlacedFile(file, self._place(file.relative_path, library), renamed=True))
                await tx.media_files.save_many(files)
                if placed:
                    await tx.catalog.place_files(library.id, placed)
                await tx.commit()

    async def _probe_files(self, library: Library, plan: _RootPlan, counts: ScanCounts, progress: TaskProgress) -> bool:
        """Probe what is new or changed, write it in batches. Answers whether every file was at rest."""
        if not plan.to_probe:
            return True
        ready, restless = await self._at_rest(plan)
        beside = _subtitles_by_folder(plan.listing.subtitles)
        absolute = {posixpath.join(plan.root.path, path): path for path in ready}
        batch: list[tuple[str, FileStamp, TechnicalInfo | ProbeRefusal]] = []
        async with self._probe.session() as probing:
            async for path, result in probing.probe_all(list(absolute)):
                relative_path = absolute[path]
                batch.append((relative_path, ready[relative_path], result))
                counts.files_done += 1
                counts.files_failed += isinstance(result, ProbeRefusal)
                if len(batch) >= _BATCH:
                    await self._write(library, plan, batch, beside)
                    batch = []
                await progress.report(100.0 * counts.files_done / max(counts.files_new, 1), asdict(counts))
        if batch:
            await self._write(library, plan, batch, beside)
        return not restless

    async def _at_rest(self, plan: _RootPlan) -> tuple[dict[str, FileStamp], list[str]]:
        """Part the files that nobody writes to any more, with their stamps, from those that still grow."""
        now_ns = int(self._clock.now().timestamp() * 1e9)
        young = {p: s for p, s in plan.to_probe.items() if abs(now_ns - s.mtime_ns) < _SETTLE_S * 1e9}
        ready = {p: s for p, s in plan.to_probe.items() if p not in young}
        for _ in range(_SETTLE_TRIES):
            if not young:
                break
            await self._clock.sleep(_SETTLE_S / _SETTLE_TRIES)
            for path, before in list(young.items()):
                stamp = await self._tree.stamp(plan.root.path, path)
                if stamp is None:
                    del young[path]
                elif stamp == before:
                    ready[path] = stamp
                    del young[path]
                else:
                    young[path] = stamp
        return ready, list(young)

    async def _write(
        self,
        library: Library,
        plan: _RootPlan,
        batch: Sequence[tuple[str, FileStamp, TechnicalInfo | ProbeRefusal]],
        beside: dict[str, list[str]],
    ) -> None:
        assert library.id is not None and plan.root.id is not None
        now = self._clock.now()
        async with self._uow() as tx:
            known_ids = [plan.known[path].id for path, _, _ in batch if path in plan.known]
            known = {file.relative_path: file for file in await tx.media_files.get_many(known_ids)}
            placed: list[PlacedFile] = []
            for path, stamp, result in batch:
                file = known.get(path) or MediaFile(
                    id=None,
                    library_id=library.id,
                    root_id=plan.root.id,
                    relative_path=path,
                    stamp=stamp,
                    added_at=now,
                )
                file.changed(stamp)
                file.sidecars = self._sidecars(path, beside)
                if isinstance(result, ProbeRefusal):
                    file.refused(result.reason, at=now)
                else:
                    file.probed(result, at=now)
                placed.append(PlacedFile(file, self._place(path, library) if file.technical else None))
            await tx.media_files.save_many([entry.file for entry in placed])
            await tx.catalog.place_files(library.id, placed)
            await tx.commit()

    def _place(self, relative_path: str, library: Library) -> Placement | None:
        name = self._names.parse(relative_path, library.kind)
        if name.kind is NameKind.EXTRA and not library.options.include_extras:
            return None
        return place(name, extra_of_series=library.kind is LibraryKind.SERIES)

    async def _note_done(self, plan: _RootPlan, *, settled: bool) -> None:
        complete = settled and not plan.listing.unreadable
        await self._note_available(plan.root, plan.listing.device, plan.digest if complete else None)

    async def _note_available(self, root: LibraryRoot, device: int, digest: bytes | None) -> None:
        assert root.id is not None
        async with self._uow() as tx:
            await tx.libraries.note_root(root.id, device=device, tree_digest=digest, unavailable_reason=None)
            await tx.commit()

    async def _note_unavailable(self, root: LibraryRoot, reason: str) -> None:
        assert root.id is not None
        async with self._uow() as tx:
            await tx.libraries.note_root(root.id, device=root.device, tree_digest=None, unavailable_reason=reason)
            await tx.commit()


def _digest(found: TreeFingerprint, library: Library) -> bytes:
    """Stands for a tree and for the rules it was scanned by."""
    return hashlib.sha256(found.digest + repr((library.kind, library.options)).encode()).digest()


def _refuse_implausible_loss(plan: _RootPlan, known: Sequence[KnownFile], *, accept_loss: bool) -> None:
    present = sum(1 for file in known if file.state is not FileState.MISSING)
    lost = len(plan.missing)
    if accept_loss or not lost:
        return
    if plan.root.device not in (None, plan.listing.device):
        # Device numbers may change with a reboot, so they count only together with a loss.
        raise RootUnavailable("another disk is mounted here than before; scan with accept_loss if that is right")
    if not plan.listing.videos:
        raise RootUnavailable("the folder is empty, but films were known here; scan with accept_loss if that is right")
    if lost > _LOSS_FILES and lost > _LOSS_SHARE * present:
        raise RootUnavailable(
            f"{lost} of {present} known files are gone at once; scan with accept_loss if that is right"
        )


def _subtitles_by_folder(subtitles: Sequence[str]) -> dict[str, list[str]]:
    """Subtitle paths by the folder of the videos they may belong to: their own and, for `Subs/x.srt` or
    `Subs/Film/x.srt`, the one or two above."""
    by_folder: dict[str, list[str]] = defaultdict(list)
    for path in subtitles:
        if not path.isprintable():
            # A name that is no UTF-8 could not be told to anybody.
            continue
        folder = posixpath.dirname(path)
        for _ in range(3):
            by_folder[folder].append(path)
            if not folder:
                break
            folder = posixpath.dirname(folder)
    return by_folder


def _below_any(path: str, folders: Sequence[str]) -> bool:
    """Whether a path is one of those that could not be read, or lies below one."""
    return any(path == folder or path.startswith(f"{folder}/") or not folder for folder in folders)
