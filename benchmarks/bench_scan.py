"""A first look at 200 media files (walk, names, probe) against a loop of ffprobe over the same files."""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg

from odeion.adapters.filesystem.media_tree import LocalMediaTree
from odeion.adapters.naming.guessit_parser import GuessitNameParser
from odeion.adapters.pyav.probe import PyAvMediaProbe
from odeion.application.libraries.ports import ProbeRefusal
from odeion.domain.library import LibraryKind

DESCRIPTION = "files per second of walk, names and probe, as a multiple of a loop of ffprobe over the same 200 files"
GOAL = 20.0
GOAL_IS = "at_least"

_FILES = 200
_RUNS = 3
_FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()

_PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=24:duration=6")
_TONE = ("-f", "lavfi", "-i", "sine=frequency=440:duration=6")
# What libraries are made of; the pattern is the name of the n-th file.
_KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Film {n} ({year})/Film {n} ({year}).mp4",
        ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac"),
    ),
    (
        "Series {n}/Season 01/Series {n} - S01E0{digit} - Title.mkv",
        ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "ac3", "-b:a", "384k"),
    ),
    (
        "Film.{n}.{year}.2160p.WEB-DL.DDP5.1.HEVC-GROUP/Film.{n}.{year}.2160p.WEB-DL.DDP5.1.HEVC-GROUP.mkv",
        ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p10le",
         "-c:a", "eac3"),
    ),
    (
        "Another.Film.{word}.1080p.WEBRip.AV1-GROUP.mkv",
        ("-c:v", "libsvtav1", "-preset", "12", "-pix_fmt", "yuv420p", "-c:a", "libopus"),
    ),
)  # fmt: skip


def run(out: Callable[[str], None]) -> float:
    """Make the files, let both look at them in turn, and return the ratio of the medians."""
    with tempfile.TemporaryDirectory(prefix="odeion-scan-") as folder:
        make_library(Path(folder) / "media", Path(folder))
        files = sorted(str(path) for path in Path(folder, "media").rglob("*.m*"))
        if len(files) != _FILES:
            raise AssertionError(f"{len(files)} files were made")
        ours, theirs = [], []
        for _ in range(_RUNS):
            theirs.append(_files_per_second(lambda: _probe_one_by_one(files)))
            ours.append(_files_per_second(lambda: asyncio.run(_scan(str(Path(folder) / "media")))))
    out(f"{_FILES} files of {len(_KINDS)} kinds, 1920x1080; median of {_RUNS} alternating runs")
    out(f"  {_describe_prober():34} {statistics.median(theirs):7.1f} files/s")
    out(f"  our walk, names and probe ({os.cpu_count()} workers) {statistics.median(ours):7.1f} files/s")
    return statistics.median(ours) / statistics.median(theirs)


def make_library(root: Path, scratch: Path) -> None:
    """One encoded file of each kind, then copies that differ in their tags (and so in every offset)."""
    originals = []
    for number, (name, encoding) in enumerate(_KINDS):
        original = scratch / f"original-{number}{Path(name).suffix}"
        _ffmpeg(*_PICTURE, *_TONE, *encoding, str(original))
        originals.append(original)
    for number in range(_FILES):
        name, _ = _KINDS[number % len(_KINDS)]
        word = "".join(chr(ord("a") + int(digit)) for digit in f"{number:03}").title()
        path = root / name.format(n=number, year=1950 + number % 70, digit=number % 9 + 1, word=word)
        path.parent.mkdir(parents=True, exist_ok=True)
        title = f"title={word * (number % 7 + 1)}"
        _ffmpeg("-i", str(originals[number % len(_KINDS)]), "-c", "copy", "-metadata", title, str(path))


def _ffmpeg(*arguments: str) -> None:
    subprocess.run([_FFMPEG, "-loglevel", "error", "-nostdin", *arguments], check=True, capture_output=True)


async def _scan(root: str) -> None:
    tree, names, probe = LocalMediaTree(), GuessitNameParser(), PyAvMediaProbe(os.cpu_count() or 1, 30)
    listing = await tree.list(root)
    done = 0
    async with probe.session() as session:
        async for path, result in session.probe_all(f"{root}/{found.relative_path}" for found in listing.videos):
            if isinstance(result, ProbeRefusal) or not names.parse(path.removeprefix(f"{root}/"), LibraryKind.MIXED):
                raise AssertionError(f"{path}: {result}")
            done += 1
    if done != _FILES:
        raise AssertionError(f"{done} files were probed")


def prober() -> list[str]:
    """ffprobe as media servers call it; without one on this machine, the bundled ffmpeg, which reads as much."""
    if ffprobe := shutil.which("ffprobe"):
        return [ffprobe, "-v", "quiet", "-print_format", "json", "-show_format", "-show_streams", "-show_chapters"]
    return [_FFMPEG, "-hide_banner", "-nostdin", "-i"]


def _describe_prober() -> str:
    return f"a loop of {'ffprobe' if shutil.which('ffprobe') else 'the bundled ffmpeg -i'}"


def _probe_one_by_one(files: list[str]) -> None:
    command = prober()
    for file in files:
        subprocess.run([*command, file], capture_output=True, check=False)


def _files_per_second(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return _FILES / (time.perf_counter() - started)
