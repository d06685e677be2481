"""Real servers, started once."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import pytest

from odeion.adapters.embedded.postgres import EmbeddedPostgres
from odeion.adapters.embedded.process import running
from odeion.adapters.embedded.valkey import EmbeddedValkey
from odeion.adapters.pyav.probe import PyAvMediaProbe
from odeion.application.libraries.ports import ProbeSession
from tests.harness import Harness, Servers, Shelf, open_harness
from tests.integration.oidc.provider import OidcProvider, running_oidc_provider


@dataclass(frozen=True)
class SharedProbe:
    """The real one. Its children would take longer to start than all that one test asks of them."""

    running: ProbeSession

    @asynccontextmanager
    async def session(self) -> AsyncIterator[ProbeSession]:
        yield self.running


def _memory() -> Path | None:
    """A file system in memory, where there is one with room. A database waits for a disk at every commit, and longest
    when it is dropped."""
    memory = Path("/dev/shm")
    is_usable = os.access(memory, os.W_OK | os.X_OK) and shutil.disk_usage(memory).free > 2 << 30
    return memory if is_usable else None


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Servers]:
    with tempfile.TemporaryDirectory(prefix="odeion-test-", dir=_memory()) as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        postgres, valkey = EmbeddedPostgres(data), EmbeddedValkey(data)
        async with running(postgres, valkey), PyAvMediaProbe(workers=2, time_limit_s=60).session() as probing:
            found = Servers(postgres.url, valkey.url, SharedProbe(probing))
            await found.make_template()
            yield found


@pytest.fixture
async def harness(servers: Servers, tmp_path: Path) -> AsyncIterator[Harness]:
    async with open_harness(servers, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="session")
async def oidc_provider() -> AsyncIterator[OidcProvider]:
    async with running_oidc_provider() as provider:
        yield provider


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of H.264 and AAC, 128x72, in MP4."""
    clip = tmp_path_factory.mktemp("clip") / "clip.mp4"
    picture = "testsrc2=size=128x72:rate=12:duration=2"
    sources = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=duration=2:sample_rate=48000"]
    codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *sources, *codecs, str(clip)]
    subprocess.run(command, check=True, timeout=60)
    return clip


@pytest.fixture
def shelf(tmp_path: Path, tiny_clip: Path) -> Shelf:
    """An empty media folder to put films into."""
    root = tmp_path / "media"
    root.mkdir()
    return Shelf(root, tiny_clip)
