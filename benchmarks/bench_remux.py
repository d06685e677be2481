"""Random segments of a film that is repackaged, over HTTP, against a spawned `ffmpeg -f hls` that waits for them."""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from served import FFMPEG, Connection, Server, make_film, nginx, serving

from odeion.adapters.ffmpeg import indexed_copy
from odeion.adapters.ffmpeg.index_builder import build_index
from odeion.adapters.ffmpeg.media_index import MediaIndex, decode
from odeion.adapters.pyav.probe_worker import probe_file
from odeion.application.playback.ports import MediaSource
from odeion.domain.media_file import FileStamp
from odeion.domain.shared.ids import MediaFileId

DESCRIPTION = "milliseconds until a random segment is there over HTTP, of ffmpeg -f hls as a multiple of ours"
GOAL = 15.0
GOAL_IS = "at_least"

# As long as films are: what has to be read before a segment can be cut grows with it.
_SECONDS, _BITS_PER_SECOND = 3600, 6_000_000
_SEGMENTS = 24
_POLL_S = 0.002
# The machine's own if there is one: that is what servers spawn.
_FFMPEG = shutil.which("ffmpeg") or FFMPEG


def run(out: Callable[[str], None]) -> float:
    """Make a film in two containers, fetch segments of each in turn from both; the smaller of the two ratios."""
    with tempfile.TemporaryDirectory(prefix="odeion-remux-") as name:
        folder = Path(name)
        films = {"Matroska": folder / "films/Matroska (2001).mkv", "Mpeg": folder / "films/Mpeg (2002).mp4"}
        films["Mpeg"].parent.mkdir()
        make_film(films["Mpeg"], "-c:a", "ac3", seconds=_SECONDS, bits_per_second=_BITS_PER_SECOND)
        shutil.copyfile(films["Mpeg"], folder / "copy.mp4")
        subprocess.run([_FFMPEG, "-v", "error", "-i", folder / "copy.mp4", "-c", "copy", films["Matroska"]], check=True)
        (folder / "copy.mp4").unlink()
        folder.chmod(0o755)
        made = folder / "made"
        made.mkdir()
        with serving(films["Mpeg"].parent, folder) as server, nginx(made, folder) as (port, _):
            ratios = [_compare(server, _Rival(made, port), title, film, out) for title, film in films.items()]
    return min(ratios)


def _compare(server: Server, rival: _Rival, title: str, film: Path, out: Callable[[str], None]) -> float:
    session = server.play(title, ["webm"])
    master = session["url"]
    base = master.rpartition("/")[0] + "/video/"
    playlist = server.api.get(f"{base}index.m3u8").raise_for_status().text
    durations = [float(line[8:-1]) for line in playlist.splitlines() if line.startswith("#EXTINF:")]
    starts = [sum(durations[:number]) for number in range(len(durations))]
    numbers = random.Random(5).sample(range(3, len(starts) - 2), min(_SEGMENTS, len(starts) - 5))
    connection = Connection(server.api.base_url.port or 0)
    base = urlsplit(base).path
    source = _source(film)
    stored = build_index(source)
    took: dict[str, list[float]] = {name: [] for name in ("read", "cut", "cold", "http", "again", "ffmpeg")}
    for number in numbers:
        size = connection.get(f"{base}{number}.m4s")
        took["read"].append(_timed(lambda: _read(film, size, number / len(starts))))  # noqa: B023
        index = decode(stored)
        took["cut"].append(_timed(lambda: _cut(index, film, number)))  # noqa: B023
        took["cold"].append(_timed(lambda: _cut(decode(stored), film, number)))  # noqa: B023
        took["http"].append(_timed(lambda: connection.get(f"{base}{number}.m4s")))  # noqa: B023
        took["again"].append(_timed(lambda: connection.get(f"{base}{number}.m4s")))  # noqa: B023
        took["ffmpeg"].append(_timed(lambda: rival.get(film, number, starts[number])))  # noqa: B023
        rival.stop()
    connection.close()
    median = {name: statistics.median(times) * 1000 for name, times in took.items()}
    out(f"{title}: {len(numbers)} random segments of {statistics.mean(durations):.1f} s, medians")
    for name, what in (
        ("read", "the bytes alone, read"),
        ("cut", "ours in-process, index at hand"),
        ("cold", "ours in-process, stored index decoded each time"),
        ("http", "ours over HTTP"),
        ("again", "ours over HTTP, the same once more"),
        ("ffmpeg", "ffmpeg -f hls until the next exists, by nginx"),
    ):
        out(f"  {what:48} {median[name]:8.2f} ms  {median['ffmpeg'] / median[name]:7.1f} times faster than ffmpeg")
    out(f"  ours over HTTP is {median['http'] / median['read']:.1f} times the bare read")
    return median["ffmpeg"] / median["http"]


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _source(film: Path) -> MediaSource:
    status = film.stat()
    return MediaSource(
        file_id=MediaFileId(1),
        root_path=str(film.parent),
        path=str(film),
        stamp=FileStamp(status.st_size, status.st_mtime_ns, status.st_ino),
        technical=probe_file(str(film)),
    )


def _read(film: Path, size: int, position: float) -> None:
    descriptor = os.open(film, os.O_RDONLY)
    os.pread(descriptor, size, int((film.stat().st_size - size) * position))
    os.close(descriptor)


def _cut(index: MediaIndex, film: Path, number: int) -> None:
    descriptor = os.open(film, os.O_RDONLY)
    stream = index.description.streams[0]
    for _ in indexed_copy.segment(index, stream, number, descriptor):
        pass
    os.close(descriptor)


class _Rival:
    """As media servers do it: a process from the segment on, a look into its folder until the next one is there, and
    the file by HTTP."""

    def __init__(self, folder: Path, port: int) -> None:
        """`folder` is what an nginx on `port` serves."""
        self._folder = folder
        self._connection = Connection(port)
        self._process: subprocess.Popen[bytes] | None = None

    def get(self, film: Path, number: int, start_s: float) -> None:
        self._process = subprocess.Popen(
            [
                *(_FFMPEG, "-v", "error", "-nostdin", "-ss", f"{start_s + 0.001:.3f}", "-i", str(film)),
                *("-map", "0:v:0", "-map", "0:a:0", "-c", "copy", "-copyts", "-avoid_negative_ts", "disabled"),
                *("-start_at_zero", "-f", "hls", "-max_delay", "5000000", "-hls_time", "6", "-hls_list_size", "0"),
                *("-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "i.mp4", "-start_number", str(number)),
                *("-hls_playlist_type", "vod", "-hls_segment_options", "movflags=+frag_discont"),
                *("-hls_segment_filename", f"{self._folder}/s%d.mp4", f"{self._folder}/x.m3u8"),
            ],
            stderr=subprocess.DEVNULL,
        )
        following = self._folder / f"s{number + 1}.mp4"
        while not following.exists() and self._process.poll() is None:
            time.sleep(_POLL_S)
        self._connection.get(f"/s{number}.mp4")

    def stop(self) -> None:
        """Ends the process and forgets what it wrote."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for path in self._folder.iterdir():
            path.unlink()
