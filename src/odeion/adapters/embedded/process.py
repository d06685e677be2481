"""Child processes that cannot outlive us, and what the bundled servers share: whom they run as, where their sockets
lie, and how they are started, watched and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import pwd
import shutil
import signal
import stat
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar, Self

from odeion.domain.shared.errors import Unavailable

_GUARD = Path(__file__).with_name("guard.py")
_LOG_LIMIT_BYTES = 8 * 1024 * 1024
# sun_path holds 108 bytes on Linux and 104 elsewhere, with the closing NUL.
_SOCKET_PATH_LIMIT_BYTES = 103
_LONGEST_SOCKET_NAME = ".s.PGSQL.5432"

log = logging.getLogger(__name__)


class EmbeddedServerError(Unavailable):
    """A bundled server cannot be started or has gone for good; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """The unprivileged user a bundled server runs as when we are root."""

    name: str
    uid: int
    gid: int


# --- spawning ---------------------------------------------------------------------------------------------------------


def guarded_command(
    command: Sequence[str],
    *,
    death_signal: signal.Signals = signal.SIGKILL,
    user: ServiceUser | None = None,
    private: bool = False,
) -> list[str]:
    """The arguments that start `command` so that the kernel sends it `death_signal` when we die, however we die; as
    `user` if given, with a umask of 077 if `private`.

    The signal is sent when the *thread* that spawned ends: spawn from one that lives as long as the child should."""
    spec = {
        "parent": os.getpid(),
        "death_signal": int(death_signal),
        "uid": user.uid if user else None,
        "gid": user.gid if user else None,
        "private": private,
    }
    return [sys.executable, "-I", "-S", "-B", str(_GUARD), json.dumps(spec), *command]


async def spawn_guarded(
    command: Sequence[str],
    *,
    death_signal: signal.Signals = signal.SIGKILL,
    user: ServiceUser | None = None,
    private: bool = False,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    stdin: int | IO[bytes] | None = asyncio.subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
) -> Process:
    """Start a `guarded_command` in a session of its own, so that a Ctrl-C reaches us only and its whole group can be
    killed. Call it from a loop that lives as long as the process, which is the main thread's."""
    return await asyncio.create_subprocess_exec(
        *guarded_command(command, death_signal=death_signal, user=user, private=private),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=dict(env) if env is not None else None,
        cwd=cwd,
        pass_fds=tuple(pass_fds),
        start_new_session=True,
    )


def signal_group(process: Process, number: signal.Signals) -> None:
    """Send a signal to the process and everything in its group; nothing happens if all of it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


async def wait_or_none(process: Process, deadline_s: float) -> int | None:
    """The exit status, or None if it still runs after `deadline_s` seconds."""
    try:
        return await asyncio.wait_for(process.wait(), deadline_s)
    except TimeoutError:
        return None


async def stop_process(process: Process, steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """Ask with each signal in turn, waiting its seconds; then kill the group. Being cancelled kills at once."""
    try:
        for number, deadline_s in steps:
            if process.returncode is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            if await wait_or_none(process, deadline_s) is not None:
                break
    finally:
        # Also after a clean end: helpers of its group may have stayed behind.
        signal_group(process, signal.SIGKILL)
        await process.wait()


# --- users, folders, binaries -----------------------------------------------------------------------------------------


def service_user(data_dir: Path, server_dir: Path) -> ServiceUser | None:
    """Whom a server with its files in `server_dir` runs as: None (ourselves) unless we are root. As root: the owner
    of the server's files or of the data directory if that is not root, else the user `odeion`, else `nobody`."""
    if os.geteuid() != 0:
        return None
    for folder in (server_dir, data_dir):
        with contextlib.suppress(FileNotFoundError, KeyError):
            owner = folder.stat().st_uid
            if owner != 0:
                entry = pwd.getpwuid(owner)
                return ServiceUser(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in ("odeion", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return ServiceUser(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedServerError("started as root, but there is no user `odeion` or `nobody` to run the database as")


def can_reach(path: Path, user: ServiceUser | None) -> bool:
    """Whether `user` may pass through every folder above `path`, by the permission bits."""
    if user is None:
        return True
    for folder in path.resolve().parents:
        status = folder.stat()
        if status.st_uid == user.uid:
            allowed = status.st_mode & stat.S_IXUSR
        elif status.st_gid == user.gid:
            allowed = status.st_mode & stat.S_IXGRP
        else:
            allowed = status.st_mode & stat.S_IXOTH
        if not allowed:
            return False
    return True


def reachable_copy(folder: Path, user: ServiceUser | None, *, label: str, parts: Sequence[str]) -> Path:
    """`folder`, or a copy of its `parts` that `user` can execute, made once: a virtual environment below /root is
    closed to everybody else. `label` names the copy and must change when the contents do."""
    if can_reach(folder / parts[0], user):
        return folder
    for base in (Path("/var/cache"), Path(tempfile.gettempdir())):
        target = base / "odeion-servers" / label
        try:
            target.parent.mkdir(mode=0o755, exist_ok=True)
            parent = target.parent.lstat()
            # Below /tmp anybody may have made it first: only a folder that root alone can write is trusted.
            if not stat.S_ISDIR(parent.st_mode) or parent.st_uid != 0 or parent.st_mode & 0o022:
                continue
            if target.is_dir():
                return target
            making = Path(tempfile.mkdtemp(prefix=f".{label}-", dir=target.parent))
        except OSError:
            continue
        try:
            for part in parts:
                _copy(folder / part, making / part)
            making.chmod(0o755)
            with contextlib.suppress(FileExistsError, OSError):
                making.rename(target)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        if target.is_dir():
            return target
    raise EmbeddedServerError(
        f"{folder} cannot be read by the user `{user.name if user else '?'}` the database must run as, and no copy "
        "could be made: install Odeion in a folder others may enter, or do not start it as root"
    )


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def owned_folder(path: Path, user: ServiceUser | None) -> None:
    """Make `path` (its parent exists) a folder with mode 0700 that belongs to the server's user. Raises
    EmbeddedServerError when something else is there, or it is someone else's."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    wanted_uid = user.uid if user else os.geteuid()
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise EmbeddedServerError(f"{path} is not a folder that can be used: {error.strerror}") from error
    try:
        status = os.fstat(handle)
        if status.st_uid != wanted_uid:
            if os.geteuid() != 0 or (status.st_uid != 0 and path.parent.stat().st_mode & stat.S_IWOTH):
                raise EmbeddedServerError(
                    f"{path} belongs to user {status.st_uid}, not to {wanted_uid}: start Odeion as that user, "
                    "or give the data directory to the one it runs as"
                )
            os.fchown(handle, wanted_uid, user.gid if user else -1)
        if stat.S_IMODE(status.st_mode) != 0o700:
            os.fchmod(handle, 0o700)
    finally:
        os.close(handle)


def give_tree(path: Path, user: ServiceUser) -> None:
    """As root: hand the folder and everything in it to `user`. Links are changed, not followed."""
    for folder, _, files in os.walk(path):
        os.chown(folder, user.uid, user.gid, follow_symlinks=False)
        for name in files:
            os.chown(Path(folder, name), user.uid, user.gid, follow_symlinks=False)


def socket_folder(data_dir: Path, user: ServiceUser | None) -> Path:
    """Where the sockets lie: `run` in the data directory, or, when that path is too long for a Unix socket or closed
    to the server's user, a folder named after the data directory below the runtime or temporary directory. Made if
    absent, mode 0700, owned by the server's user."""
    folder = data_dir / "run"
    too_long = len(os.fsencode(folder / _LONGEST_SOCKET_NAME)) > _SOCKET_PATH_LIMIT_BYTES
    if too_long or not can_reach(folder, user):
        uid = user.uid if user else os.geteuid()
        digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
        folder = _runtime_base() / f"odeion-{uid}-{digest}"
    owned_folder(folder, user)
    return folder


def _runtime_base() -> Path:
    if os.geteuid() == 0 and os.access("/run", os.W_OK):
        return Path("/run")
    configured = os.environ.get("XDG_RUNTIME_DIR")
    for candidate in (configured, tempfile.gettempdir(), "/tmp"):  # noqa: S108 - checked by owned_folder
        if not candidate or len(os.fsencode(candidate)) > 60:
            continue
        with contextlib.suppress(OSError):
            if os.access(candidate, os.W_OK | os.X_OK):
                return Path(candidate)
    raise EmbeddedServerError("no folder for Unix sockets: set XDG_RUNTIME_DIR to a short, writable path")


# --- the life of a bundled server -------------------------------------------------------------------------------------


class EmbeddedServer(ABC):
    """A server of ours in a child process: `async with` it, or many at once with `running`.

    One lock per data directory says who may run it. The server inherits the lock, so it is held until the last
    process of it is gone, even if we were killed; whoever gets the lock may clear what a dead one left behind. If
    the server dies while it should run, it is started again with a growing pause."""

    name: ClassVar[str]
    """For people: "PostgreSQL"."""
    slug: ClassVar[str]
    """For files: `postgres`."""
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]]
    """Signals to stop with, each with the seconds it is given."""
    death_signal: ClassVar[signal.Signals]
    """What the server gets when we are killed; must end it within seconds."""

    def __init__(self, data_dir: Path, *, start_deadline_s: float = 120.0, lock_deadline_s: float = 10.0) -> None:
        self._data_dir = data_dir.resolve()
        self._start_deadline_s = start_deadline_s
        self._lock_deadline_s = lock_deadline_s
        self._user: ServiceUser | None = None
        self._sockets: Path | None = None
        self._lock: int | None = None
        self._process: Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def log_path(self) -> Path:
        """What the server itself prints."""
        return self._data_dir / "logs" / f"{self.slug}.log"

    @property
    def pid(self) -> int:
        """The process id of the running server. Raises EmbeddedServerError while it is not running."""
        if self._process is None or self._process.returncode is not None:
            raise EmbeddedServerError(f"{self.name} is not running")
        return self._process.pid

    @property
    def socket_dir(self) -> Path:
        """Where its socket lies. Raises EmbeddedServerError before the start."""
        if self._sockets is None:
            raise EmbeddedServerError(f"{self.name} was not started")
        return self._sockets

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start and return when connections are accepted. Raises EmbeddedServerError."""
        started_at = time.monotonic()
        try:
            await asyncio.to_thread(self._prepare_folders)
            self._lock = await self._take_lock()
            await self._prepare()
            self._process = await self._launch()
        except BaseException:
            await self.stop()
            raise
        self._keeper = asyncio.create_task(self._keep_running(), name=f"keep {self.slug} running")
        log.info("%s is up after %.2f s", self.name, time.monotonic() - started_at)

    async def stop(self) -> None:
        """Stop the server, gently first. Safe to call again."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        try:
            if self._process is not None:
                await stop_process(self._process, self.stop_steps)
        finally:
            self._process = None
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None
            if self._sockets is not None and self._sockets.parent != self._data_dir:
                # The other server may still have its socket there: then it is not empty, and stays.
                with contextlib.suppress(OSError):
                    self._sockets.rmdir()

    # What the servers differ in.

    @abstractmethod
    async def _prepare(self) -> None:
        """Called with the lock held: make first-time files, clear what a dead server left."""

    @abstractmethod
    async def _spawn(self, output: IO[bytes], lock: int) -> Process:
        """Start the process, with `output` for what it prints, and `lock` among the descriptors it inherits."""

    @abstractmethod
    async def _is_ready(self, process: Process) -> bool:
        """Whether it accepts connections."""

    def _holder(self) -> str:
        """Who has the lock, for the message: "process 123", if that can be told."""
        return "another process"

    # What they share.

    def _prepare_folders(self) -> None:
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log_path.parent.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if self.log_path.stat().st_size > _LOG_LIMIT_BYTES:
                self.log_path.replace(self.log_path.with_suffix(".log.1"))
        self._user = service_user(self._data_dir, self._data_dir / self.slug)
        self._sockets = socket_folder(self._data_dir, self._user)

    async def _take_lock(self) -> int:
        lock = os.open(self._data_dir / f"{self.slug}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            give_up_at = time.monotonic() + self._lock_deadline_s
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return lock
                except BlockingIOError:
                    if time.monotonic() > give_up_at:
                        raise EmbeddedServerError(
                            f"{self.name} of {self._data_dir} is already running ({self._holder()}): stop the other "
                            "Odeion first, or choose another data directory"
                        ) from None
                    await asyncio.sleep(0.05)
        except BaseException:
            os.close(lock)
            raise

    async def _launch(self) -> Process:
        assert self._lock is not None  # start() takes it before
        log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as output:
            process = await self._spawn(output, self._lock)
        give_up_at = time.monotonic() + self._start_deadline_s
        try:
            while not await self._is_ready(process):
                if process.returncode is not None:
                    raise EmbeddedServerError(f"{self.name} did not start: {self._log_since(log_start)}")
                if time.monotonic() > give_up_at:
                    raise EmbeddedServerError(
                        f"{self.name} was not ready after {self._start_deadline_s:.0f} s: {self._log_since(log_start)}"
                    )
                await asyncio.sleep(0.01)
        except BaseException:
            await stop_process(process, self.stop_steps)
            raise
        return process

    async def _keep_running(self) -> None:
        pause_s = 0.2
        while self._process is not None:
            started_at = time.monotonic()
            status = await self._process.wait()
            if time.monotonic() - started_at > 60:
                pause_s = 0.2
            while True:
                log.error("%s ended unexpectedly (%s); starting it again", self.name, status)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 10.0)
                try:
                    await self._prepare()
                    self._process = await self._launch()
                    break
                except (EmbeddedServerError, OSError) as error:
                    log.error("%s", error)

    def _log_since(self, offset: int) -> str:
        """The last lines printed since `offset`, joined, for a message."""
        with self.log_path.open("rb") as output:
            output.seek(offset)
            lines = output.read()[-2000:].decode("utf-8", "replace").splitlines()
        return " / ".join(line.strip() for line in lines[-6:] if line.strip()) or f"see {self.log_path}"


@contextlib.asynccontextmanager
async def running(*servers: EmbeddedServer) -> AsyncIterator[None]:
    """Start all at once, stop all at once at the end; if one fails to start, the others are stopped and its
    EmbeddedServerError is raised."""
    try:
        results = await asyncio.gather(*(server.start() for server in servers), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        yield
    finally:
        await asyncio.gather(*(server.stop() for server in servers))
