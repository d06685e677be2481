"""Damaged media files through probe, index and remux: a clear refusal or bytes, and nothing else, may come of them."""

from __future__ import annotations

import argparse
import asyncio
import collections
import faulthandler
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from odeion.adapters.ffmpeg.media_indexes import MediaIndexes
from odeion.adapters.ffmpeg.producer import HlsRenditionProducer
from odeion.adapters.memory.media_indexes import MemoryMediaIndexes
from odeion.adapters.pyav.probe import PyAvMediaProbe
from odeion.application.libraries.ports import ProbeRefusal, ProbeSession
from odeion.application.playback.ports import MediaSource
from odeion.domain.media_file import FileStamp
from odeion.domain.playback.plan import Treatment
from odeion.domain.shared.errors import OdeionError
from odeion.domain.shared.ids import MediaFileId
from tests.integration.media import hls, matroska
from tests.integration.media.matroska import Style

SEEDS = (
    *("h264_aac_mp4", "open_gop_mp4", "trimmed_mp4", "fragmented_mp4", "hevc10_mp4", "late_audio_mp4"),
    *("open_gop_mkv", "h264_surround_mkv", "no_cues_mkv", "hevc10_mkv", "vp9_webm", "av1_mkv"),
    *("mixed_gop_mp4", "mixed_gop_mkv"),
    *("transport_stream", "hevc10_ts", "two_sounds_m2ts"),
)
_LIMIT_S = 60.0
_HEAD_BYTES = 8192
_SIZES = (b"\0\0\0\0", b"\0\0\0\1", b"\0\0\0\x08", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x80\0\0\0", b"\1\0\0\0")


def _truncate(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _flip_bits(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 3, 30, 300))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _damage_ends(data: bytearray, chance: random.Random) -> None:
    """Where the headers and the tables are."""
    for _ in range(chance.choice((1, 4, 20))):
        at = chance.randrange(min(_HEAD_BYTES, len(data)))
        data[at if chance.random() < 0.6 else -1 - at] = chance.randrange(256)


def _lie_about_sizes(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 2, 8))):
        at = chance.randrange(max(min(_HEAD_BYTES, len(data)) - 4, 1))
        at = at if chance.random() < 0.6 else max(len(data) - 4 - at, 0)
        data[at : at + 4] = chance.choice(_SIZES)


def _lie_in_a_table(data: bytearray, chance: random.Random) -> None:
    """Behind the name of a box or an element that holds numbers."""
    names = (b"stsz", b"stco", b"stsc", b"stts", b"ctts", b"stss", b"elst", b"trun", b"tfhd", b"\x1c\x53\xbb\x6b")
    places = [place for name in names if (place := data.find(name)) >= 0] or [0]
    at = min(chance.choice(places) + chance.randrange(-4, 40), len(data) - 4)
    data[max(at, 0) : max(at, 0) + 4] = chance.choice((*_SIZES, chance.randbytes(4)))


def _lie_in_packets(data: bytearray, chance: random.Random) -> None:
    """In the headers of packets of a transport stream, and of what begins in them."""
    stride = 192 if data[4:5] == b"\x47" else 188
    for _ in range(chance.choice((1, 10, 200))):
        at = stride - 188 + chance.randrange(max(len(data) // stride, 1)) * stride + chance.randrange(40)
        if at < len(data):
            data[at] = chance.choice((0, 1, 0x47, 0xFF, data[at] ^ 1 << chance.randrange(8), chance.randrange(256)))


def _lose_or_repeat_packets(data: bytearray, chance: random.Random) -> None:
    stride = 192 if data[4:5] == b"\x47" else 188
    length = stride * chance.choice((1, 7, 300)) + chance.choice((0, 0, 1, 100))
    at = chance.randrange(len(data) // stride + 1) * stride
    if chance.random() < 0.5:
        del data[at : at + length]
    else:
        data[at:at] = data[at : at + length]


def _move_a_stretch(data: bytearray, chance: random.Random) -> None:
    length = chance.randrange(1, min(4096, len(data)))
    start, target = (chance.randrange(len(data) - length + 1) for _ in range(2))
    data[target : target + length] = data[start : start + length]


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _truncate, _flip_bits, _damage_ends, _lie_about_sizes, _lie_in_a_table, _lie_in_a_table, _move_a_stretch,
    _lie_in_packets, _lose_or_repeat_packets,
)  # fmt: skip


@dataclass
class Outcome:
    """How many files ended how; `faults` are those that must not be."""

    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0


def make_seeds(folder: Path) -> list[Path]:
    seeds = [hls.make(name, folder) for name in SEEDS]
    laces = Style(lacing="ebml", frames_per_lace=5, block_groups=True)
    return [*seeds, matroska.write(hls.make("open_gop_mkv", folder), folder / "laced.mkv", laces)]


async def fuzz(folder: Path, count: int, seed: int, tell: Callable[[str], None]) -> Outcome:
    """`count` mutated files, the same ones for the same `seed`."""
    seeds = [path.read_bytes() for path in make_seeds(folder)]
    outcome = Outcome()

    async def cache() -> Path:
        return folder / "cache"

    indexes = MediaIndexes(MemoryMediaIndexes(), time_limit_s=20)
    producer = HlsRenditionProducer(cache, hls.leases(), hls.settings, 10**8, indexes=indexes)
    victim = folder / "victim"
    try:
        async with PyAvMediaProbe(1, 20).session() as probe:
            for number in range(count):
                chance = random.Random(f"{seed}:{number}")  # noqa: S311
                data = bytearray(seeds[number % len(seeds)])
                for _ in range(chance.choice((1, 1, 2))):
                    if len(data) > 8:
                        chance.choice(MUTATIONS)(data, chance)
                victim.write_bytes(data)
                began = time.monotonic()
                try:
                    outcome.counts[await _play(victim, number, probe, producer)] += 1
                except TimeoutError:
                    outcome.faults.append(f"{number}: an answer took more than {_LIMIT_S:g} s")
                except Exception as error:
                    outcome.faults.append(f"{number}: {type(error).__name__}: {error}")
                outcome.slowest_s = max(outcome.slowest_s, time.monotonic() - began)
                if number % 100 == 99:
                    tell(f"{number + 1} files: {dict(outcome.counts)}, slowest {outcome.slowest_s:.1f} s")
    finally:
        await producer.close()
    return outcome


async def _play(victim: Path, number: int, probe: ProbeSession, producer: HlsRenditionProducer) -> str:
    """How far it came."""
    async with asyncio.timeout(_LIMIT_S):
        ((_, found),) = [result async for result in probe.probe_all([str(victim)])]
    if isinstance(found, ProbeRefusal):
        return f"refused ({found.code})"
    status = victim.stat()
    source = MediaSource(
        file_id=MediaFileId(number + 1),
        root_path=str(victim.parent),
        path=str(victim),
        stamp=FileStamp(status.st_size, status.st_mtime_ns, status.st_ino),
        technical=found,
    )
    plan = hls.plan_for(source, hls.COPIES_ALL)
    copies = [entry for entry in (plan.video, *plan.audio) if entry and entry.treatment is Treatment.COPY]
    told = False
    for rendition in copies:
        try:
            async with asyncio.timeout(_LIMIT_S):
                grid = await producer.grid(source, rendition)
            await producer.init_segment(source, rendition)
            await producer.facts(source, rendition)
            for position in sorted({0, len(grid.starts_s) // 2, len(grid.starts_s) - 1}):
                async with asyncio.timeout(_LIMIT_S):
                    await hls.fetch(producer, source, rendition, position)
        except OdeionError:
            told = True
    return "nothing to copy" if not copies else "told" if told else "played"


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> int:
    faulthandler.enable()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="odeion-fuzz-") as folder:
        outcome = asyncio.run(fuzz(Path(folder), arguments.files, arguments.seed, _tell))
    for fault in outcome.faults:
        _tell(fault)
    _tell(f"{arguments.files} files, {len(outcome.faults)} faults: {dict(outcome.counts)}")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
