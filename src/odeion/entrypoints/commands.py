"""Commands that talk to the database of a running server."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from odeion.application.libraries.views import LibraryView
from odeion.application.shared.viewer import OPERATOR
from odeion.domain.shared.errors import Conflict, NotFound, OdeionError
from odeion.domain.shared.ids import LibraryId
from odeion.entrypoints.container import (
    Container,
    ffmpeg_version,
    find_running_postgres,
    open_container,
    require_current_schema,
)
from odeion.entrypoints.settings import Settings

_POLL_S = 0.25


async def scan(settings: Settings, library: str | None, *, accept_loss: bool) -> int:
    """Scan one library or all, one after the other, with a progress bar; answers 1 if one failed."""
    async with open_container(settings) as container:
        libraries = (await container.use_cases().library_queries.list_libraries(OPERATOR)).items
        chosen = [entry for entry in libraries if library in (None, entry.name, str(entry.id))]
        if not chosen:
            raise NotFound(f"there is no library {library!r}" if library else "there is no library yet")
        failed = False
        for entry in chosen:
            failed |= not await _scan_one(container, entry, accept_loss=accept_loss)
        return int(failed)


async def _scan_one(container: Container, library: LibraryView, *, accept_loss: bool) -> bool:
    use_cases = container.use_cases()
    library_id = LibraryId(library.id)
    try:
        await use_cases.libraries.start_scan(OPERATOR, library_id, accept_loss=accept_loss)
    except Conflict:
        print(f"{library.name}: a scan is under way already; following it")
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[files]}"))
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        job = bar.add_task(library.name, total=100.0, files="")
        while True:
            status = await use_cases.library_queries.get_scan(OPERATOR, library_id)
            bar.update(
                job,
                completed=status.percent,
                description=f"{library.name}: {status.phase or status.state}",
                files=f"{status.files_done} of {status.files_new} new files",
            )
            if status.state not in ("queued", "running"):
                break
            await asyncio.sleep(_POLL_S)
    if status.state == "completed":
        print(
            f"{library.name}: {status.files_found} files, {status.files_new} new, "
            f"{status.files_failed} unreadable, {status.files_missing} missing"
        )
        return True
    print(f"{library.name}: {status.state}: {status.error or ''}", file=sys.stderr)
    return False


async def reset_password(settings: Settings, username: str, password: str) -> None:
    """Raises NotFound, Invalid."""
    async with open_container(settings) as container:
        await container.use_cases().passwords.set_by_operator(username, password)


async def reset_second_factors(settings: Settings, username: str) -> None:
    """Raises NotFound."""
    async with open_container(settings) as container:
        await container.use_cases().second_factors.reset_by_operator(username)


async def doctor(settings: Settings) -> int:
    """Print what was looked at and what is wrong; answers 1 if anything is."""
    results = [
        ("data directory", _check_folder(settings)),
        ("free space", _check_space(settings)),
        ("ffmpeg", await _told(ffmpeg_version())),
        ("web app", "built" if settings.web_files else "! not built: run script/bootstrap"),
    ]
    url = settings.database_url or find_running_postgres(settings.data_dir)
    if url is None:
        results.append(("database", "not running (the server is stopped)"))
    else:
        filled = settings.model_copy(update={"database_url": url, "redis_url": settings.redis_url or "redis://unused"})
        async with open_container(filled) as container:
            results.append(("database", await _told(_database(container))))
    for name, result in results:
        print(f"{'✗' if result.startswith('!') else '✓'} {name}: {result.removeprefix('! ')}")
    return int(any(result.startswith("!") for _, result in results))


async def _database(container: Container) -> str:
    await require_current_schema(container.engine())
    return "reachable, schema up to date"


async def _told(check: object) -> str:
    try:
        return str(await check)  # type: ignore[misc]
    except (OdeionError, OSError) as error:
        return f"! {error}"


def _check_folder(settings: Settings) -> str:
    folder = settings.data_dir
    if not folder.is_dir():
        return f"{folder} (not made yet)"
    if folder.stat().st_mode & 0o077 and os.name == "posix":
        return f"! {folder} can be read by others: chmod 700 it"
    return str(folder) if os.access(folder, os.W_OK | os.X_OK) else f"! {folder} cannot be written"


def _check_space(settings: Settings) -> str:
    folder = settings.data_dir if settings.data_dir.is_dir() else settings.data_dir.parent
    while not folder.exists():
        folder = folder.parent
    free_gb = shutil.disk_usage(folder).free / 1e9
    return f"{free_gb:.0f} GB" if free_gb > 2 else f"! only {free_gb:.1f} GB left"
