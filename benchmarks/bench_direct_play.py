"""Ranges of a film that is played directly, over HTTP, against nginx with sendfile."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from served import make_film, serving

DESCRIPTION = (
    "bytes per second of a film played directly, from many places to its end, as a share of nginx's with sendfile"
)
GOAL = 0.9
GOAL_IS = "at_least"

_NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
_RUNS = 7
# Players ask for all from a place on; some take a film in parts.
_SHAPES = {"from a place to the end": (3, None), "parts of 24 MiB": (12, 24 << 20)}
_CONFIGURATION = """
daemon off; error_log stderr error; pid {folder}/nginx.pid; worker_processes 1;
events {{}}
http {{
    access_log off; sendfile on; tcp_nopush on; types {{ video/mp4 mp4; }}
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def run(out: Callable[[str], None]) -> float:
    """Fetch the same from both in turn. Returns the ratio of the medians for what players do."""
    if _NGINX is None:
        raise SystemExit("direct_play: nginx is not installed")
    with tempfile.TemporaryDirectory(prefix="odeion-direct-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        film = folder / "films/Film (2001).mp4"
        film.parent.mkdir()
        make_film(film, "-c:a", "ac3", seconds=1800, bits_per_second=6_000_000)
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            port = listening.getsockname()[1]
        configuration = folder / "nginx.conf"
        configuration.write_text(_CONFIGURATION.format(folder=folder, port=port, root=film.parent))
        nginx = subprocess.Popen([_NGINX, "-p", name, "-e", "stderr", "-c", str(configuration)])
        try:
            with serving(film.parent, folder) as server:
                ours_port = server.api.base_url.port or 0
                ours_path = urlsplit(server.play("Film", ["mp4"])["url"]).path
                workers = _children(nginx.pid)
                theirs = _Client("nginx, sendfile", port, f"/{quote(film.name)}", workers)
                ours = _Client("ours", ours_port, ours_path, [server.pid])
                ratios = [_compare(ours, theirs, film.stat().st_size, shape, out) for shape in _SHAPES]
        finally:
            nginx.terminate()
            nginx.wait()
    return ratios[0]


@dataclass(frozen=True)
class _Client:
    """Of one of the two: where it listens, and the processes that send."""

    name: str
    port: int
    path: str
    processes: list[int]


def _compare(ours: _Client, theirs: _Client, size: int, shape: str, out: Callable[[str], None]) -> float:
    count, part = _SHAPES[shape]
    step = size // count if part is None else (size - part) // count
    ranges = [(number * step, size if part is None else number * step + part) for number in range(count)]
    gigabytes = _RUNS * sum(end - start for start, end in ranges) / 1e9
    speeds: dict[str, list[float]] = {theirs.name: [], ours.name: []}
    cpu_s = {theirs.name: 0.0, ours.name: 0.0}
    for _ in range(_RUNS):
        for who in (theirs, ours):
            before_s = _cpu_s(who.processes)
            speeds[who.name].append(_bytes_per_second(who, ranges))
            cpu_s[who.name] += _cpu_s(who.processes) - before_s
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


def _children(pid: int) -> list[int]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            return [int(child) for child in children]
        time.sleep(0.05)
    raise TimeoutError("nginx has no workers")


def _cpu_s(processes: list[int]) -> float:
    ticks = 0
    for pid in processes:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
