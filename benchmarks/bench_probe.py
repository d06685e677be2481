"""Probing 200 media files against as many ffprobe processes at once."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench_scan import make_library, prober

from odeion.adapters.pyav.probe import PyAvMediaProbe
from odeion.application.libraries.ports import ProbeRefusal

DESCRIPTION = "files probed per second, as a multiple of ffprobe processes, as many of them at once as ours"
GOAL = 20.0
GOAL_IS = "at_least"

_RUNS, _ROUNDS = 3, 5


def run(out: Callable[[str], None]) -> float:
    """Make the files, let both look at them in turn, and return the ratio of the medians."""
    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="odeion-probe-") as folder:
        make_library(Path(folder) / "media", Path(folder))
        files = sorted(str(path) for path in Path(folder, "media").rglob("*.m*"))
        ours, theirs = [], []
        for _ in range(_RUNS):
            theirs.append(_files_per_second(files, lambda: _ffprobe(files, workers)))
            # Our children start once for a whole scan, so that is measured over more files than fit into the patience
            # one has with the others.
            many = files * _ROUNDS
            ours.append(_files_per_second(many, lambda: asyncio.run(_probe(many, workers))))  # noqa: B023
    out(f"{len(files)} files, {workers} at once, ours {_ROUNDS} times over; median of {_RUNS} alternating runs")
    out(f"  {Path(prober()[0]).name:10} {statistics.median(theirs):7.1f} files/s")
    out(f"  ours       {statistics.median(ours):7.1f} files/s")
    return statistics.median(ours) / statistics.median(theirs)


def _files_per_second(files: list[str], work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return len(files) / (time.perf_counter() - started)


def _ffprobe(files: list[str], workers: int) -> None:
    command = prober()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda file: subprocess.run([*command, file], capture_output=True, check=False), files))


async def _probe(files: list[str], workers: int) -> None:
    async with PyAvMediaProbe(workers, 30).session() as session:
        async for path, result in session.probe_all(files):
            if isinstance(result, ProbeRefusal):
                raise AssertionError(f"{path}: {result}")
