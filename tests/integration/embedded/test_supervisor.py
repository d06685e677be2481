from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from odeion.entrypoints.supervisor import STATUS_DO_NOT_RESTART, ChildFailed, ChildSpec, RestartPolicy, Supervisor

_QUICK = RestartPolicy(first_pause_s=0.01, longest_pause_s=0.02, healthy_after_s=60, give_up_after=3)


def _python(name: str, code: str) -> ChildSpec:
    return ChildSpec(name=name, command=[sys.executable, "-I", "-c", code])


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


class TestRun:
    async def test_starts_a_crashed_child_again(self) -> None:
        supervisor = Supervisor([ChildSpec(name="sleeper", command=["sleep", "100"])], restarts=_QUICK)
        run = asyncio.create_task(supervisor.run())
        await _until(lambda: "sleeper" in supervisor.pids)
        first = supervisor.pids["sleeper"]
        os.kill(first, signal.SIGKILL)
        await _until(lambda: supervisor.pids.get("sleeper", first) != first)
        supervisor.stop()
        await run
        assert supervisor.pids == {}

    async def test_gives_up_on_a_child_that_never_comes_up_and_stops_the_others(self) -> None:
        supervisor = Supervisor(
            [_python("broken", "raise SystemExit(3)"), ChildSpec(name="sleeper", command=["sleep", "100"])],
            restarts=_QUICK,
        )
        with pytest.raises(ChildFailed, match="broken ended with status 3"):
            await asyncio.wait_for(supervisor.run(), 10)
        assert supervisor.pids == {}

    async def test_believes_a_child_that_says_it_can_never_start(self, tmp_path: Path) -> None:
        count = tmp_path / "count"
        code = f"open({str(count)!r}, 'a').write('x'); raise SystemExit({STATUS_DO_NOT_RESTART})"
        with pytest.raises(ChildFailed):
            await Supervisor([_python("misconfigured", code)], restarts=_QUICK).run()
        assert count.read_text() == "x"

    async def test_clears_away_what_a_crashed_child_left_in_its_group(self, tmp_path: Path) -> None:
        note = tmp_path / "pid"
        code = (
            "import subprocess, time; p = subprocess.Popen(['sleep', '100'])\n"
            f"open({str(note)!r}, 'w').write(str(p.pid)); raise SystemExit({STATUS_DO_NOT_RESTART})"
        )
        with pytest.raises(ChildFailed):
            await Supervisor([_python("parent", code)]).run()
        grandchild = Path("/proc", note.read_text(), "cmdline")
        await _until(lambda: not grandchild.exists() or grandchild.read_bytes() == b"")


class TestStop:
    async def test_sends_sigterm_first(self, tmp_path: Path) -> None:
        note = tmp_path / "note"
        code = (
            "import signal, sys, time\n"
            f"def bye(*_): open({str(note)!r}, 'a').write('bye'); sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, bye)\n"
            f"open({str(note)!r}, 'w').close()\n"
            "time.sleep(100)"
        )
        supervisor = Supervisor([_python("polite", code)])
        run = asyncio.create_task(supervisor.run())
        await _until(note.exists)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(run, 10)
        assert note.read_text() == "bye"

    async def test_kills_the_whole_group_of_a_child_that_does_not_listen(self, tmp_path: Path) -> None:
        note = tmp_path / "pid"
        code = (
            "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "p = subprocess.Popen(['sleep', '100'])\n"
            f"open({str(note)!r}, 'w').write(str(p.pid)); time.sleep(100)"
        )
        supervisor = Supervisor([_python("deaf", code)], stop_deadline_s=0.2)
        run = asyncio.create_task(supervisor.run())
        await _until(lambda: note.exists() and note.read_text() != "")
        supervisor.stop()
        await asyncio.wait_for(run, 10)
        grandchild = Path("/proc", note.read_text(), "cmdline")
        await _until(lambda: not grandchild.exists() or grandchild.read_bytes() == b"")

    async def test_does_not_wait_when_told_twice(self) -> None:
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(100)"
        supervisor = Supervisor([_python("deaf", code)], stop_deadline_s=60)
        run = asyncio.create_task(supervisor.run())
        await _until(lambda: "deaf" in supervisor.pids)
        supervisor.stop()
        supervisor.stop()
        await asyncio.wait_for(run, 10)
