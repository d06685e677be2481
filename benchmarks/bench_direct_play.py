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
from pathlib import Path
from urllib.parse import quote, urlsplit

from served import make_film, serving

DESCRIPTION = "bytes per second of directly played ranges, as a share of what nginx sends with sendfile"
GOAL = 0.9
GOAL_IS = "at_least"

_NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
_RUNS, _RANGES, _RANGE_BYTES = 7, 12, 24 << 20
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
    """Fetch the same ranges from both in turn, and return the ratio of the medians."""
    if _NGINX is None:
        raise SystemExit("direct_play: nginx is not installed")
    with tempfile.TemporaryDirectory(prefix="odeion-direct-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        film = folder / "films/Film (2001).mp4"
        film.parent.mkdir()
        make_film(film, "-c:a", "ac3", seconds=480, bits_per_second=5_000_000)
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
                ours, theirs = [], []
                ours_cpu, theirs_cpu = -_cpu_s([server.pid]), -_cpu_s(workers)
                for _ in range(_RUNS):
                    theirs.append(_bytes_per_second(port, f"/{quote(film.name)}", film))
                    ours.append(_bytes_per_second(ours_port, ours_path, film))
                ours_cpu, theirs_cpu = ours_cpu + _cpu_s([server.pid]), theirs_cpu + _cpu_s(workers)
        finally:
            nginx.terminate()
            nginx.wait()
    gigabytes = _RUNS * _RANGES * _RANGE_BYTES / 1e9
    for who, speeds, cpu in (("nginx, sendfile", theirs, theirs_cpu), ("ours", ours, ours_cpu)):
        out(f"  {who:16} {statistics.median(speeds) / 1e6:8.0f} MB/s  {cpu / gigabytes:6.2f} s of processor per GB")
    out(f"  processor time: {ours_cpu / max(theirs_cpu, 1e-9):.2f} times that of nginx")
    return statistics.median(ours) / statistics.median(theirs)


def _bytes_per_second(port: int, path: str, film: Path) -> float:
    """Over `_RANGES` ranges, spread over the film, on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    step = (film.stat().st_size - _RANGE_BYTES) // _RANGES
    buffer = memoryview(bytearray(1 << 20))
    started = time.perf_counter()
    for number in range(_RANGES):
        start = number * step
        connection.request("GET", path, headers={"Range": f"bytes={start}-{start + _RANGE_BYTES - 1}"})
        response = connection.getresponse()
        received = 0
        while count := response.readinto(buffer):
            received += count
        if (response.status, received) != (206, _RANGE_BYTES):
            raise AssertionError(f"{response.status}, {received} bytes")
    took = time.perf_counter() - started
    connection.close()
    return _RANGES * _RANGE_BYTES / took


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
