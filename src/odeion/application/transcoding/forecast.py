"""What playing a library would cost on usual devices, and what converting it once would save."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.users import Role
from odeion.domain.media_file import FileStructure, TechnicalInfo
from odeion.domain.playback.devices import DEVICES, DeviceKind, DeviceProfile
from odeion.domain.playback.forecast import ConversionKind, Outlook, foresee
from odeion.domain.playback.plan import PlayMode
from odeion.domain.shared.ids import LibraryId

# So many files of a group are named.
EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastExample:
    file_id: int
    file_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesAlike:
    """Files that are played alike. `technical` tells of their first picture and the track players take by themselves,
    and of no rates; `structure` is what their indexes tell; `examples` are the first `EXAMPLES`."""

    technical: TechnicalInfo
    structure: FileStructure | None = None
    file_count: int
    duration_ms: int
    size_bytes: int
    examples: tuple[ForecastExample, ...]


class LibraryMakeup(Protocol):
    async def list_kinds(self, viewer: Viewer, library_id: LibraryId | None) -> Sequence[FilesAlike]:
        """All files that can be played and that the viewer sees, of one library or of all. Raises NotFound for a
        library that is not there, or not for the viewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionView:
    """`kind` is container, sound or picture; `source` and `target` are containers, or codecs by libavcodec's names."""

    kind: ConversionKind
    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastGroup:
    """Files that are not played directly for the same reasons. `mode` is remux (the picture goes through, the sound may
    be converted) or transcode; null for what cannot be played. `conversions` are the cheapest after which the device
    plays them as they are: what a job that converts the library once would do."""

    mode: PlayMode | None
    reasons: list[str]
    conversions: list[ConversionView]
    file_count: int
    duration_ms: int
    size_bytes: int
    examples: list[ForecastExample]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceForecast:
    """How many files a device plays how; `groups` are those it does not play directly, the largest first."""

    device: DeviceKind
    label: str
    file_count: int
    direct_play: int
    remux: int
    transcode: int
    unplayable: int
    groups: list[ForecastGroup]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    items: list[DeviceForecast]


@dataclass(slots=True)
class _Group:
    file_count: int = 0
    duration_ms: int = 0
    size_bytes: int = 0
    examples: list[ForecastExample] = field(default_factory=list)

    def add(self, alike: FilesAlike) -> None:
        self.file_count += alike.file_count
        self.duration_ms += alike.duration_ms
        self.size_bytes += alike.size_bytes
        self.examples += alike.examples[: EXAMPLES - len(self.examples)]


class LibraryForecast:
    def __init__(self, makeup: LibraryMakeup) -> None:
        self._makeup = makeup

    async def foresee(self, viewer: Viewer, device: DeviceKind | None, library_id: LibraryId | None) -> Forecast:
        """For one device or all. Raises NotFound for an unknown library."""
        viewer.require(Role.MODERATOR)
        kinds = await self._makeup.list_kinds(viewer, library_id)
        profiles = [profile for profile in DEVICES if device in (None, profile.kind)]
        # Thousands of kinds take a while to look at.
        return Forecast(items=[await asyncio.to_thread(_forecast, profile, kinds) for profile in profiles])


def _forecast(profile: DeviceProfile, kinds: Sequence[FilesAlike]) -> DeviceForecast:
    groups: dict[Outlook, _Group] = {}
    for alike in kinds:
        groups.setdefault(foresee(alike.technical, profile.capabilities, alike.structure), _Group()).add(alike)

    def of_mode(mode: PlayMode | None) -> int:
        return sum(group.file_count for outlook, group in groups.items() if outlook.mode is mode)

    return DeviceForecast(
        device=profile.kind,
        label=profile.label,
        file_count=sum(group.file_count for group in groups.values()),
        direct_play=of_mode(PlayMode.DIRECT_PLAY),
        remux=of_mode(PlayMode.REMUX),
        transcode=of_mode(PlayMode.TRANSCODE),
        unplayable=of_mode(None),
        groups=[
            _told(outlook, group)
            for outlook, group in sorted(groups.items(), key=lambda entry: -entry[1].file_count)
            if outlook.mode is not PlayMode.DIRECT_PLAY
        ],
    )


def _told(outlook: Outlook, group: _Group) -> ForecastGroup:
    return ForecastGroup(
        mode=outlook.mode,
        reasons=list(outlook.reasons),
        conversions=[ConversionView(kind=c.kind, source=c.source, target=c.target) for c in outlook.conversions],
        file_count=group.file_count,
        duration_ms=group.duration_ms,
        size_bytes=group.size_bytes,
        examples=group.examples,
    )
