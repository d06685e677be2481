"""A second scan of an unchanged tree against `find -printf` over the same tree."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from odeion.adapters.filesystem.media_tree import LocalMediaTree
from odeion.application.libraries.ports import TreeFingerprint

DESCRIPTION = "seconds for a second scan of an unchanged tree of 100,000 entries, as a multiple of find -printf"
GOAL = 1.5
GOAL_IS = "at_most"

_SERIES, _SEASONS, _EPISODES = 250, 19, 20  # 5,000 folders with 95,000 files
_RUNS = 9


def run(out: Callable[[str], None]) -> float:
    """Make the tree, walk it with both in turn, and return the ratio of the medians."""
    return asyncio.run(_measure(out))


async def _measure(out: Callable[[str], None]) -> float:
    with tempfile.TemporaryDirectory(prefix="odeion-rescan-") as folder:
        _make_tree(Path(folder))
        tree = LocalMediaTree()
        known = await tree.fingerprint(folder)
        ours, theirs = [], []
        for _ in range(_RUNS):
            theirs.append(_find(folder))
            ours.append(await _scan_again(tree, folder, known))
    ratio = statistics.median(ours) / statistics.median(theirs)
    out(f"{known.video_count:,} files in {_SERIES * (_SEASONS + 1):,} folders, median of {_RUNS} alternating runs")
    out(f"  find -printf '%p %s %T@ %i\\n'         {statistics.median(theirs) * 1000:7.0f} ms")
    out(f"  our fingerprint of the tree            {statistics.median(ours) * 1000:7.0f} ms")
    return ratio


def _make_tree(root: Path) -> None:
    for series in range(_SERIES):
        for season in range(1, _SEASONS + 1):
            folder = root / f"Series {series:03} ({2000 + series % 25})" / f"Season {season:02}"
            folder.mkdir(parents=True)
            for episode in range(1, _EPISODES + 1):
                (folder / f"Series {series:03} - S{season:02}E{episode:02} - The Title.mkv").touch()


async def _scan_again(tree: LocalMediaTree, root: str, known: TreeFingerprint) -> float:
    """Seconds for what a scan does before it knows that nothing changed."""
    started = time.perf_counter()
    unchanged = await tree.fingerprint(root) == known
    seconds = time.perf_counter() - started
    if not unchanged:
        raise AssertionError("an unchanged tree looks changed")
    return seconds


def _find(root: str) -> float:
    """Seconds for find to print the same facts."""
    started = time.perf_counter()
    subprocess.run(["find", root, "-printf", "%p %s %T@ %i\n"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started
