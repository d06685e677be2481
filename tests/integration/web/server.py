"""Odeion as a user starts it: a process of its own, with its database, over a data directory of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from tests.integration.web.waiting import until

SETUP_CODE = "WEB-TEST-CODE"
USERNAME = "ada"
PASSWORD = "correct horse battery"
# A first start makes a database, on machines that do much else.
_START_DEADLINE_S = 150
_STOP_DEADLINE_S = 30


@dataclass
class Server:
    url: str
    log: Path
    set_up: bool = False
    libraries: dict[str, int] = field(default_factory=dict)
    _token: str | None = None

    @asynccontextmanager
    async def api(self, token: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30) as client:
            yield client

    async def sign_in(self) -> dict[str, Any]:
        """Tokens and user, as the login answers them."""
        async with self.api() as api:
            reply = await api.post("/api/auth/login", json={"username": USERNAME, "password": PASSWORD})
            reply.raise_for_status()
            signed_in: dict[str, Any] = reply.json()
            return signed_in

    async def furnish(self, folders: dict[str, tuple[str, Path]]) -> None:
        """An administrator, and libraries by name, kind and folder, scanned; what is there already is kept."""
        if self.libraries.keys() >= folders.keys():
            return
        async with self.api() as api:
            if not self.set_up:
                account = {"code": SETUP_CODE, "username": USERNAME, "password": PASSWORD}
                (await api.post("/api/setup", json=account)).raise_for_status()
                self.set_up = True
            api.headers["Authorization"] = f"Bearer {await self.token()}"
            known = (await api.get("/api/libraries")).raise_for_status().json()["items"]
            self.libraries = {library["name"]: library["id"] for library in known}
            for name, (kind, folder) in folders.items():
                if name in self.libraries:
                    continue
                body = {"name": name, "kind": kind, "paths": [str(folder)]}
                made = (await api.post("/api/admin/libraries", json=body)).raise_for_status().json()
                self.libraries[name] = made["id"]
                started = await api.post(f"/api/admin/libraries/{made['id']}/scan", json={})
                # A server may begin to scan a new library by itself.
                assert started.status_code in (202, 409), started.text
            for library_id in self.libraries.values():
                await until(partial(_is_scanned, api, library_id), "the scan is over", 60)

    async def token(self) -> str:
        """For calls beside the browser: one session for all of them, as every login costs a hash."""
        if self._token is None:
            self._token = (await self.sign_in())["token"]
        return self._token

    async def find(self, title: str) -> int:
        """The id of a film."""
        async with self.api(await self.token()) as api:
            films = (await api.get("/api/movies", params={"per_page": 100})).raise_for_status().json()["items"]
        found: int = next(film["id"] for film in films if film["title"] == title)
        return found

    async def forget_progress(self) -> None:
        async with self.api(await self.token()) as api:
            (await api.delete("/api/progress/all")).raise_for_status()


@asynccontextmanager
async def running_server(data_dir: Path, web_root: Path) -> AsyncIterator[Server]:
    """Runs it; on leaving stops it as an operator does, and sees that it ended well and left nothing behind."""
    port = _free_port()
    # The base URL of a server on loopback: passkeys and sign-in providers know no other.
    server = Server(f"http://localhost:{port}", data_dir.with_suffix(".log"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ODEION_")}
    environment |= {"ODEION_SETUP_CODE": SETUP_CODE, "ODEION_WEB_ROOT": str(web_root)}
    command = [sys.executable, "-m", "odeion", "serve", "--data-dir", str(data_dir)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with server.log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
        )
    try:
        async with server.api() as api:
            await until(partial(_answers, api, process), "the server answers", _START_DEADLINE_S)
        yield server
        family = _descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        status = await asyncio.wait_for(process.wait(), _STOP_DEADLINE_S)
        assert status == 0, f"the server ended with status {status}"
        assert family, "the server had no processes of its own"
        left = [pid for pid, started_at in family.items() if _started_at(pid) == started_at]
        assert not left, f"processes were left behind: {left}"
    except BaseException as failure:
        failure.add_note(f"the server's log:\n{server.log.read_text(errors='replace')[-6000:]}")
        raise
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _answers(api: httpx.AsyncClient, process: asyncio.subprocess.Process) -> bool:
    assert process.returncode is None, f"the server ended with status {process.returncode}"
    try:
        return (await api.get("/api/system/version")).status_code == 200
    except httpx.TransportError:
        return False


async def _is_scanned(api: httpx.AsyncClient, library_id: int) -> bool:
    status = (await api.get(f"/api/libraries/{library_id}/scan")).raise_for_status().json()
    assert status["state"] != "failed", status
    return bool(status["state"] == "completed")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _stat(pid: int) -> list[str] | None:
    """What the kernel says of a process, from its state on; None if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _started_at(pid: int) -> str | None:
    stat = _stat(pid)
    return stat[19] if stat and stat[0] != "Z" else None


def _descendants(root: int) -> dict[int, str]:
    """The processes below one, each with the moment it began, as numbers are used again."""
    stats = {int(entry.name): stat for entry in Path("/proc").glob("[0-9]*") if (stat := _stat(int(entry.name)))}
    found: dict[int, str] = {}
    waiting = [root]
    while waiting:
        parent = waiting.pop()
        for pid, stat in stats.items():
            if int(stat[1]) == parent and pid not in found:
                found[pid] = stat[19]
                waiting.append(pid)
    return found
