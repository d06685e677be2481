"""A real server over a folder of films, for benchmarks that ask over HTTP."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import imageio_ffmpeg

_NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
_NGINX_CONFIGURATION = """
daemon off; error_log stderr error; pid {folder}/nginx.pid; worker_processes 1;
events {{}}
http {{
    access_log off; sendfile on; tcp_nopush on; types {{ video/mp4 mp4; }}
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""
_SETUP_CODE = "BENCHMARK-CODE"
_START_LIMIT_S, _STOP_LIMIT_S, _WORK_LIMIT_S = 120, 30, 300
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


@dataclass
class Server:
    """`pid` is the process that answers HTTP."""

    api: httpx.Client
    pid: int

    def play(self, title: str, containers: list[str]) -> dict[str, Any]:
        """A playback session of a film, for a client that knows all codecs and these containers."""
        films = self.api.get("/api/movies", params={"per_page": 100}).raise_for_status().json()["items"]
        film = next(film["id"] for film in films if film["title"] == title)
        body = {
            "media_type": "movie",
            "media_id": film,
            "capabilities": {
                "containers": containers,
                "video_codecs": [{"codec": "h264"}, {"codec": "hevc", "max_bit_depth": 10}],
                "audio_codecs": [{"codec": "aac"}, {"codec": "ac3"}],
            },
        }
        session: dict[str, Any] = self.api.post("/api/playback/sessions", json=body).raise_for_status().json()
        return session


@contextmanager
def serving(films: Path, folder: Path, web_root: Path | None = None) -> Iterator[Server]:
    """Started, set up, and done with scanning and indexing; stopped at the end. `folder` takes its data. `web_root` is
    served in place of the web app."""
    port = _free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ODEION_")}
    environment["ODEION_SETUP_CODE"] = _SETUP_CODE
    if web_root is not None:
        environment["ODEION_WEB_ROOT"] = str(web_root)
    command = [sys.executable, "-m", "odeion", "serve", "--data-dir", str(folder / "data")]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as api:
            _until(lambda: process.poll() is not None or _answers(api), "the server answers", _START_LIMIT_S)
            if process.poll() is not None:
                raise AssertionError(f"the server ended:\n{log.read_text()[-3000:]}")
            account = {"code": _SETUP_CODE, "username": "bench", "password": "correct horse battery"}
            token = api.post("/api/setup", json=account).raise_for_status().json()["token"]
            api.headers["Authorization"] = f"Bearer {token}"
            body = {"name": "Films", "kind": "film", "paths": [str(films)]}
            library = api.post("/api/admin/libraries", json=body).raise_for_status().json()["id"]
            api.post(f"/api/admin/libraries/{library}/scan", json={})
            count = sum(1 for path in films.rglob("*") if path.is_file())
            _until(lambda: _film_count(api) == count, "the films are known", _WORK_LIMIT_S)
            yield Server(api, _listener(process.pid, port))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def nginx(root: Path, folder: Path) -> Iterator[tuple[int, int]]:
    """The port of an nginx that serves a folder with sendfile, and the process that sends. Both folders must be open to
    all; `folder` takes what it writes."""
    if _NGINX is None:
        raise SystemExit("nginx is not installed")
    port = _free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX_CONFIGURATION.format(folder=folder, port=port, root=root))
    process = subprocess.Popen([_NGINX, "-p", str(folder), "-e", "stderr", "-c", str(configuration)])
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        _until(lambda: bool(children.read_text()), "nginx has a worker", 10)
        yield port, int(children.read_text().split()[0])
    finally:
        process.terminate()
        process.wait()


class Connection:
    """HTTP/1.1 by hand, for where a client that does more would take as long as the server."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._buffer = memoryview(bytearray(64 << 20))

    def get(self, path: str) -> int:
        """Receives into a buffer it has: fresh memory would cost as much as the rest. The size of the body in bytes."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        received, head = 0, b""
        while not head.endswith(b"\r\n\r\n"):
            received += self._receive(received, 64 << 20)
            head = b"".join(bytes(self._buffer[: min(received, 16 << 10)]).partition(b"\r\n\r\n")[:2])
        lines = head.lower().split(b"\r\n")
        if b" 200" not in lines[0]:
            raise AssertionError(f"{path}: {lines[0]!r}")
        size = next(int(line[16:]) for line in lines if line.startswith(b"content-length: "))
        while received < len(head) + size:
            received += self._receive(received, len(head) + size)
        return size

    def _receive(self, start: int, end: int) -> int:
        count = self._socket.recv_into(self._buffer[start:end])
        if not count:
            raise AssertionError("the answer ended early")
        return count

    def close(self) -> None:
        self._socket.close()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def _answers(api: httpx.Client) -> bool:
    try:
        return api.get("/api/setup").is_success
    except httpx.TransportError:
        return False


def _film_count(api: httpx.Client) -> int:
    return len(api.get("/api/movies", params={"per_page": 100}).raise_for_status().json()["items"])


def _until(done: Callable[[], bool], what: str, limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {limit_s:g} s until {what}")
        time.sleep(0.2)


def _listener(ancestor: int, port: int) -> int:
    """The process below `ancestor` that listens on a port."""
    wanted = f"0100007F:{port:04X}"
    inodes = {
        line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[1] == wanted
    }
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = [str(link.readlink()) for link in (process / "fd").iterdir()]
        except OSError:
            continue
        if any(f"socket:[{inode}]" in links for inode in inodes):
            return int(process.name)
    return ancestor


def make_film(target: Path, *codecs: str, seconds: float, bits_per_second: int) -> None:
    """1920x1080 of 24 pictures a second with a soundtrack, as large as films are: a short piece with noise, encoded
    once and repeated until it is long enough."""
    piece = target.with_name(f"piece{target.suffix}")
    noise = "testsrc2=size=1920x1080:rate=24:duration=12,noise=alls=30:allf=t"
    arguments = ["-f", "lavfi", "-i", noise, "-f", "lavfi", "-i", "sine=f=330:r=48000:duration=12"]
    picture = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-b:v", str(bits_per_second), "-g", "48"]
    run_ffmpeg(*arguments, *picture, "-maxrate", str(bits_per_second), "-bufsize", str(bits_per_second),
               "-pix_fmt", "yuv420p", *codecs, str(piece))  # fmt: skip
    run_ffmpeg("-stream_loop", str(round(seconds / 12) - 1), "-i", str(piece), "-c", "copy", str(target))
    piece.unlink()


def run_ffmpeg(*arguments: str) -> None:
    subprocess.run([FFMPEG, "-loglevel", "error", "-nostdin", "-y", *arguments], check=True, capture_output=True)
