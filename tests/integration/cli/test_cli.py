"""The command line, as people run it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Shelf

CODE = "SETUP-CODE"


def odeion(*arguments: str, data_dir: Path | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    where = ["--data-dir", str(data_dir)] if data_dir else []
    command = [sys.executable, "-m", "odeion", *arguments, *where]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`odeion serve` in a process of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir, self.port = data_dir, free_port()
        self.log = data_dir.with_name("serve.log")
        environment = {**os.environ, "ODEION_SETUP_CODE": CODE, "ODEION_HOST": "127.0.0.1"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "odeion", "serve", "--data-dir", str(data_dir), "--port", str(self.port)],
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        self.wait_until(lambda: self.get("/health/ready")["status"] == "ok")

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return json.load(answer)

    def post(self, path: str, body: dict[str, Any], token: str = "") -> Any:
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data=json.dumps(body).encode(), headers=headers
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def wait_until(self, done: Any, limit_s: float = 60) -> None:
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if done():
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"not in time: {self.log.read_text()}")

    def processes(self) -> list[str]:
        """Whatever still runs on the data directory, or in its name."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                except OSError:
                    continue
                if os.fsencode(self.data_dir) in words:
                    found.append(f"{entry.name}: {words[:120]!r}")
        return found

    def wait_until_gone(self, limit_s: float = 10) -> None:
        until = time.monotonic() + limit_s
        while self.processes() and time.monotonic() < until:
            time.sleep(0.1)
        assert self.processes() == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path / "data")
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.wait()
        started.wait_until_gone()


class TestServe:
    def test_prints_the_address_and_the_code_and_stops_clean(self, server: Server) -> None:
        printed = server.log.read_text()
        assert f"http://localhost:{server.port}" in printed
        assert f"Set-up code: {CODE}" in printed
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        server.wait_until_gone()

    def test_leaves_nothing_behind_when_it_is_killed(self, server: Server) -> None:
        server.process.kill()
        server.process.wait()
        server.wait_until_gone()

    def test_says_when_the_port_is_taken(self, tmp_path: Path) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = str(other.getsockname()[1])
            refused = odeion("serve", "--host", "127.0.0.1", "--port", port, data_dir=tmp_path / "data")
        assert refused.returncode == 1
        assert f"cannot listen on 127.0.0.1:{port}" in refused.stderr

    def test_the_commands_beside_it(self, server: Server, shelf: Shelf) -> None:
        shelf.put("Film (2001).mp4")
        account = {"code": CODE, "username": "mira", "password": "correct horse battery"}
        token = server.post("/api/setup", account)["token"]
        library = {"name": "Films", "kind": "film", "paths": [str(shelf.root)]}
        server.post("/api/admin/libraries", library, token)

        scanned = odeion("scan", "Films", data_dir=server.data_dir)
        assert scanned.returncode == 0
        assert "Films: 1 files, 1 new, 0 unreadable, 0 missing" in scanned.stdout
        assert odeion("scan", "Nothing", data_dir=server.data_dir).returncode == 1

        checked = odeion("doctor", data_dir=server.data_dir)
        assert "✓ database: reachable, schema up to date" in checked.stdout

        counted = odeion("psql", "--data-dir", str(server.data_dir), "-tA", "-c", "SELECT count(*) FROM movies")
        assert counted.stdout.strip() == "1"

        changed = odeion("reset-password", "mira", data_dir=server.data_dir, input="another password\n")
        assert changed.returncode == 0
        body = {"username": "mira", "password": "another password"}
        assert server.post("/api/auth/login", body)["user"]["username"] == "mira"
        assert odeion("reset-password", "nobody", data_dir=server.data_dir, input="x" * 9).returncode == 1
        assert odeion("reset-second-factors", "mira", data_dir=server.data_dir).returncode == 0
        assert odeion("reset-second-factors", "nobody", data_dir=server.data_dir).returncode == 1

        second = odeion("serve", "--port", str(free_port()), data_dir=server.data_dir)
        assert second.returncode == 1 and "already running" in second.stderr


class TestWithoutServer:
    def test_the_openapi_documents(self) -> None:
        assert "/api/movies" in json.loads(odeion("openapi").stdout)["paths"]
        assert "/version" in json.loads(odeion("openapi", "--meta").stdout)["paths"]

    def test_version_and_help(self) -> None:
        assert re.fullmatch(r"odeion \d+\.\d+\.\d+\n", odeion("version").stdout)
        assert odeion().returncode == 2

    def test_commands_that_need_a_server_say_so(self, tmp_path: Path) -> None:
        for command in (["scan"], ["psql"], ["reset-password", "mira"], ["reset-second-factors", "mira"]):
            refused = odeion(*command, data_dir=tmp_path / "data", input="a password\n")
            assert refused.returncode == 1
            assert "no server is running" in refused.stderr

    def test_config_hides_passwords(self, tmp_path: Path) -> None:
        environment = {**os.environ, "ODEION_DATABASE_URL": "postgresql://odeion:hunter2@db/odeion"}
        shown = odeion("config", data_dir=tmp_path / "data", env=environment).stdout
        assert "hunter2" not in shown and "postgresql://odeion:***@db/odeion" in shown

    @pytest.mark.parametrize("setting", [("--port", "99999"), ("--port", "0")])
    def test_settings_that_cannot_be_are_named(self, tmp_path: Path, setting: tuple[str, str]) -> None:
        refused = odeion("serve", *setting, data_dir=tmp_path / "data")
        assert refused.returncode == 1 and refused.stderr.startswith("odeion: port:")
