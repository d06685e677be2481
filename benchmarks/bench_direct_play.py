"""Ranges of a film that is played directly, over HTTP, against nginx with sendfile."""

from __future__ import annotations

import http.client
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from served import make_film, nginx, serving

DESCRIPTION = (
    "bytes per second of a film played directly, from many places to its end, as a share of nginx's with sendfile"
)
GOAL = 0.9
GOAL_IS = "at_least"

_RUNS = 7
# Players ask for all from a place on; some take a film in parts.
_SHAPES = {"from a place to the end": (3, None), "parts of 24 MiB": (12, 24 << 20)}


def run(out: Callable[[str], None]) -> float:
    """Fetch the same from both in turn. Returns the ratio of the medians for what players do."""
    with tempfile.TemporaryDirectory(prefix="odeion-direct-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        film = folder / "films/Film (2001).mp4"
        film.parent.mkdir()
        make_film(film, "-c:a", "ac3", seconds=1800, bits_per_second=6_000_000)
        with nginx(film.parent, folder) as (port, worker), serving(film.parent, folder) as server:
            ours_path = urlsplit(server.play("Film", ["mp4"])["url"]).path
            theirs = _Client("nginx, sendfile", port, f"/{quote(film.name)}", worker)
            ours = _Client("ours", server.api.base_url.port or 0, ours_path, server.pid)
            ratios = [_compare(ours, theirs, film.stat().st_size, shape, out) for shape in _SHAPES]
    return ratios[0]


@dataclass(frozen=True)
class _Client:
    """Of one of the two: where it listens, and the process that sends."""

    name: str
    port: int
    path: str
    process: int


def _compare(ours: _Client, theirs: _Client, size: int, shape: str, out: Callable[[str], None]) -> float:
    count, part = _SHAPES[shape]
    step = size // count if part is None else (size - part) // count
    ranges = [(number * step, size if part is None else number * step + part) for number in range(count)]
    gigabytes = _RUNS * sum(end - start for start, end in ranges) / 1e9
    speeds: dict[str, list[float]] = {theirs.name: [], ours.name: []}
    cpu_s = {theirs.name: 0.0, ours.name: 0.0}
    for _ in range(_RUNS):
        for who in (theirs, ours):
            before_s = _cpu_s(who.process)
            speeds[who.name].append(_bytes_per_second(who, ranges))
            cpu_s[who.name] += _cpu_s(who.process) - before_s
    out(f"{shape}, medians of {_RUNS} runs")
    for name in speeds:
        speed = statistics.median(speeds[name]) / 1e6
        out(f"  {name:16} {speed:8.0f} MB/s  {cpu_s[name] / gigabytes:6.2f} s of processor per GB")
    ratio = statistics.median(speeds[ours.name]) / statistics.median(speeds[theirs.name])
    of_cpu = cpu_s[ours.name] / max(cpu_s[theirs.name], 1e-9)
    out(f"  {ratio:.2f} of the throughput of nginx, {of_cpu:.2f} times its processor time")
    return ratio


def _bytes_per_second(who: _Client, ranges: list[tuple[int, int]]) -> float:
    """On one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", who.port, timeout=60)
    buffer = memoryview(bytearray(1 << 20))
    started = time.perf_counter()
    for start, end in ranges:
        connection.request("GET", who.path, headers={"Range": f"bytes={start}-{end - 1}"})
        response = connection.getresponse()
        received = 0
        while count := response.readinto(buffer):
            received += count
        if (response.status, received) != (206, end - start):
            raise AssertionError(f"{response.status}, {received} bytes")
    took = time.perf_counter() - started
    connection.close()
    return sum(end - start for start, end in ranges) / took


def _cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
