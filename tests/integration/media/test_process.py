"""How ffmpeg is started: by launchers that were ready or not, within limits, and never left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import uvloop

from odeion.adapters.ffmpeg import launcher
from odeion.adapters.ffmpeg.process import FfmpegFailed, ReadyLaunchers, end_process, ffmpeg_path, run_ffmpeg
from tests.integration.media.test_hls_transcode import launchers, until

# Silence, a second of it or without an end.
SECOND = ("-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", "1", "-f", "s16le", "pipe:1")
ENDLESS = ("-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-f", "s16le", "pipe:1")


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@asynccontextmanager
async def two_ready() -> AsyncIterator[tuple[ReadyLaunchers, list[int]]]:
    ready = ReadyLaunchers()
    try:
        await ready.fill()
        await until(lambda: len(launchers()) == 2)
        yield ready, launchers()
    finally:
        await ready.close()
        assert launchers() == []


@asynccontextmanager
async def running(ready: ReadyLaunchers) -> AsyncIterator[Process]:
    """An ffmpeg that does not end by itself, and has begun."""
    process = await ready.spawn(ENDLESS)
    try:
        assert process.stdout is not None
        assert await process.stdout.readexactly(100) == bytes(100)
        yield process
    finally:
        await end_process(process)


async def output_of(process: Process) -> bytes:
    output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    return output


class TestReadyLaunchers:
    async def test_become_what_is_started_next(self) -> None:
        async with two_ready() as (ready, pids), running(ready) as first, running(ready) as second:
            assert [first.pid, second.pid] == pids
            command = Path(f"/proc/{first.pid}/cmdline").read_bytes().split(b"\0")
            assert command[0] == ffmpeg_path().encode() and command[-2] == b"pipe:1"

    async def test_are_not_needed_to_start_one_more(self) -> None:
        async with two_ready() as (ready, pids):
            processes = await asyncio.gather(*(ready.spawn(SECOND) for _ in range(3)))
            outputs = await asyncio.gather(*(output_of(process) for process in processes))
            assert outputs == [bytes(16_000)] * 3
            assert len({process.pid for process in processes} - set(pids)) == 1

    async def test_are_replaced_when_they_were_used(self) -> None:
        async with two_ready() as (ready, pids):
            assert await output_of(await ready.spawn(SECOND)) == bytes(16_000)
            await until(lambda: len(launchers()) == 2)
            assert pids[0] not in launchers() and pids[1] in launchers()

    async def test_are_left_out_when_they_have_died(self) -> None:
        async with two_ready() as (ready, pids):
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
                await until(lambda pid=pid: has_ended(pid))
            process = await ready.spawn(SECOND)
            assert process.pid not in pids
            assert await output_of(process) == bytes(16_000)

    async def test_are_gone_at_the_end_and_no_others_come(self) -> None:
        async with two_ready() as (ready, pids):
            assert await output_of(await ready.spawn(SECOND)) == bytes(16_000)
            await ready.close()
            for pid in pids:
                with pytest.raises(ProcessLookupError):
                    os.kill(pid, 0)
            ready.prepare()
            assert await output_of(await ready.spawn(SECOND)) == bytes(16_000)
        assert launchers() == []

    async def test_may_be_ended_before_they_are_ready(self) -> None:
        ready = ReadyLaunchers()
        ready.prepare()
        await asyncio.sleep(0)
        await ready.close()
        assert launchers() == []

    def test_die_with_their_parent(self) -> None:
        program = """
import asyncio
from odeion.adapters.ffmpeg.process import ReadyLaunchers
async def main():
    ReadyLaunchers().prepare()
    await asyncio.sleep(60)
asyncio.run(main())
"""
        with subprocess.Popen([sys.executable, "-c", program]) as parent:
            try:
                asyncio.run(until(lambda: len(launchers(parent.pid)) == 2))
                pids = launchers(parent.pid)
            finally:
                parent.kill()
        asyncio.run(until(lambda: all(has_ended(pid) for pid in pids)))

    @pytest.mark.parametrize("loop_factory", [uvloop.new_event_loop, asyncio.new_event_loop])
    def test_belong_to_one_event_loop_of_any_kind(self, loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        async def one_of_two() -> bytes:
            async with two_ready() as (ready, pids):
                process = await ready.spawn(SECOND)
                assert process.pid == pids[0]
                return await output_of(process)

        for _ in range(2):
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                assert runner.run(one_of_two()) == bytes(16_000)


class TestWhatIsStarted:
    async def test_has_limits_and_gains_no_privileges(self) -> None:
        async with two_ready() as (ready, _), running(ready) as process:
            lines = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
            limits = {line[:26].strip(): line[26:].split()[:2] for line in lines}
            assert limits["Max file size"] == limits["Max core file size"] == ["0", "0"]
            assert limits["Max address space"] == [str(16 << 30)] * 2
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert "NoNewPrivs:\t1\n" in status
            assert os.getpriority(os.PRIO_PROCESS, process.pid) == os.getpriority(os.PRIO_PROCESS, 0) + 5
            assert os.getpgid(process.pid) == process.pid

    async def test_gets_no_secrets_and_no_descriptors(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ODEION_SECRET", "hunter2")
        with inheritable() as descriptor:
            async with two_ready() as (ready, _), running(ready) as process:
                assert b"hunter2" not in Path(f"/proc/{process.pid}/environ").read_bytes()
                links = {int(link.name): str(link.readlink()) for link in Path(f"/proc/{process.pid}/fd").iterdir()}
                ours = str(Path(f"/proc/self/fd/{descriptor}").readlink())
                opened = {link for link in links.values() if not link.startswith("anon_inode:")}
                assert opened == {links[number] for number in range(3)} and ours not in opened

    async def test_reads_what_it_is_given(self) -> None:
        # More than fits in a pipe at once.
        given = os.urandom(1 << 20)
        copied = ("-f", "s16le", "-ar", "8000", "-i", "pipe:0", "-c", "copy", "-f", "s16le", "pipe:1")
        assert await run_ffmpeg(copied, given=given, limit_s=20, limit_bytes=2 << 20) == given
        with pytest.raises(FfmpegFailed, match="too much"):
            await run_ffmpeg(copied, given=given, limit_s=20, limit_bytes=1 << 10)

    async def test_may_end_before_it_has_read_what_it_is_given(self) -> None:
        with pytest.raises(FfmpegFailed, match="nothing-like-this"):
            await run_ffmpeg(
                ("-f", "nothing-like-this", "-i", "pipe:0"), given=bytes(8 << 20), limit_s=20, limit_bytes=9
            )


@contextmanager
def inheritable() -> Iterator[int]:
    """A descriptor that a child gets where nobody takes care."""
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


class TestLauncher:
    """The script itself."""

    @staticmethod
    def run(given: bytes, *, parent: int | None = None) -> subprocess.CompletedProcess[bytes]:
        spec = json.dumps({"parent": parent or os.getpid(), "nice": 0, "limits": {}})
        command = [sys.executable, "-I", "-S", launcher.__file__, spec]
        return subprocess.run(command, input=given, capture_output=True, timeout=20)

    @staticmethod
    def told(*command: str) -> bytes:
        text = json.dumps(command).encode()
        return len(text).to_bytes(4, "big") + text

    def test_becomes_its_command_and_leaves_the_rest_for_it(self) -> None:
        done = self.run(self.told("/bin/cat") + b"the rest")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"the rest", b"")

    @pytest.mark.parametrize("given", [b"", b"\0\0", b'\0\0\0\x10["/bin'])
    def test_ends_when_nothing_more_is_told(self, given: bytes) -> None:
        done = self.run(given)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    def test_ends_when_its_parent_is_gone(self) -> None:
        done = self.run(self.told("/bin/echo", "here"), parent=1 << 22)
        assert (done.returncode, done.stdout) == (126, b"")

    def test_says_what_cannot_be_executed(self) -> None:
        done = self.run(self.told("/nowhere/ffmpeg"))
        assert done.returncode == 126 and b"No such file" in done.stderr
