"""Real servers, started once."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from odeion.adapters.embedded.postgres import EmbeddedPostgres
from odeion.adapters.embedded.process import running
from odeion.adapters.embedded.valkey import EmbeddedValkey
from tests.harness import Harness, Servers, open_harness


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Servers]:
    with tempfile.TemporaryDirectory(prefix="odeion-test-") as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        postgres, valkey = EmbeddedPostgres(data), EmbeddedValkey(data)
        async with running(postgres, valkey):
            found = Servers(postgres.url, valkey.url)
            await found.make_template()
            yield found


@pytest.fixture
async def harness(servers: Servers, tmp_path: Path) -> AsyncIterator[Harness]:
    async with open_harness(servers, tmp_path) as opened:
        yield opened
