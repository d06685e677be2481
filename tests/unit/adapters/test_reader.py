"""Files opened for direct play."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from odeion.adapters.filesystem.reader import LocalFileReader
from odeion.application.playback.ports import MediaSource
from odeion.domain.media_file import FileStamp, TechnicalInfo
from odeion.domain.shared.errors import Unavailable
from odeion.domain.shared.ids import MediaFileId


def _source(path: Path) -> MediaSource:
    stamp = FileStamp(1, 1, 1)
    technical = TechnicalInfo(container="mp4", duration_ms=1)
    return MediaSource(
        file_id=MediaFileId(1), root_path=str(path.parent), path=str(path), stamp=stamp, technical=technical
    )


async def test_a_file_opened_for_nobody_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"x")
    goes_on, opened = threading.Event(), list[int]()
    really_open = os.open

    def slow_open(path: str, flags: int) -> int:
        goes_on.wait(10)
        opened.append(really_open(path, flags))
        return opened[0]

    monkeypatch.setattr(os, "open", slow_open)

    async def ask() -> None:
        async with LocalFileReader().open(_source(film)):
            raise AssertionError("nobody waits for this any more")

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    goes_on.set()
    for _ in range(100):
        await asyncio.sleep(0.02)
        if opened and not Path(f"/proc/self/fd/{opened[0]}").exists():
            return
    raise AssertionError("the file is still open")


async def test_a_file_that_is_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        async with LocalFileReader().open(_source(tmp_path / "gone.mp4")):
            pass
