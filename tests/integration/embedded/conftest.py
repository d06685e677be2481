"""Databases to start and kill: made once, then copied, as making one is the slow part."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from odeion.adapters.embedded.postgres import EmbeddedPostgres


@pytest.fixture(scope="session")
async def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose database was started and stopped once."""
    folder = tmp_path_factory.mktemp("made-once")
    async with EmbeddedPostgres(folder):
        pass
    return folder


@pytest.fixture
async def data_dir(made_once: Path, tmp_path: Path) -> Path:
    """A data directory of the test's own, with a database in it."""
    folder = tmp_path / "data"
    await asyncio.to_thread(shutil.copytree, made_once, folder)
    return folder
