"""Nothing that was started outlives a parent that was killed without a word."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import asyncpg

from odeion.adapters.embedded.postgres import EmbeddedPostgres

_PARENT = """
import asyncio, json, sys
from pathlib import Path
import asyncpg
from odeion.adapters.embedded.postgres import EmbeddedPostgres
from odeion.adapters.embedded.process import running
from odeion.adapters.embedded.valkey import EmbeddedValkey
from odeion.entrypoints.supervisor import ChildSpec, Supervisor

async def main():
    postgres, valkey = EmbeddedPostgres(Path(sys.argv[1])), EmbeddedValkey(Path(sys.argv[1]))
    async with running(postgres, valkey):
        connection = await asyncpg.connect(postgres.dsn)
        await connection.execute("CREATE TABLE acknowledged AS SELECT 1 AS answer")
        supervisor = Supervisor([ChildSpec(name="sleeper", command=["sleep", "1000"])])
        run = asyncio.create_task(supervisor.run())
        while not supervisor.pids:
            await asyncio.sleep(0.01)
        print(json.dumps([postgres.pid, valkey.pid, *supervisor.pids.values()]), flush=True)
        await run

asyncio.run(main())
"""


def _lives(pid: int) -> bool:
    try:
        state = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _descendants(pids: list[int]) -> set[int]:
    found = set(pids)
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    for _ in parents:
        grown = found | {child for child, parent in parents.items() if parent in found}
        if grown == found:
            break
        found = grown
    return found


async def _start_parent(data_dir: Path) -> tuple[asyncio.subprocess.Process, set[int]]:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, str(data_dir), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pids = json.loads(await asyncio.wait_for(parent.stdout.readline(), 60))
    assert len(pids) == 3
    return parent, _descendants(pids)


async def _all_gone(pids: set[int], deadline_s: float) -> bool:
    try:
        async with asyncio.timeout(deadline_s):
            while any(_lives(pid) for pid in pids):
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    return True


class TestParentKilled:
    async def test_leaves_no_orphans_and_loses_no_acknowledged_write(self, data_dir: Path) -> None:
        parent, pids = await _start_parent(data_dir)
        os.kill(parent.pid, signal.SIGKILL)
        # At once, while the old server may still be going down: the lock is what makes this wait.
        async with EmbeddedPostgres(data_dir) as server:
            connection = await asyncpg.connect(server.dsn)
            assert await connection.fetchval("SELECT answer FROM acknowledged") == 1
            await connection.close()
        assert await _all_gone(pids, 10)
        await parent.wait()


class TestParentAsked:
    async def test_ends_everything_at_sigterm(self, data_dir: Path) -> None:
        parent, pids = await _start_parent(data_dir)
        parent.terminate()
        assert await asyncio.wait_for(parent.wait(), 20) == 0
        assert await _all_gone(pids, 0.5)
