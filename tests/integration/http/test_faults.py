"""Parts that fail under a running server."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections import Counter
from pathlib import Path

from odeion.adapters.embedded.postgres import EmbeddedPostgres
from odeion.adapters.embedded.process import running
from odeion.adapters.embedded.valkey import EmbeddedValkey
from odeion.domain.identity.users import Role
from tests.harness import PASSWORD, Harness, Servers, Shelf, open_harness


async def test_a_database_that_crashes_is_told_and_comes_back(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="odeion-fault-") as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        postgres, valkey = EmbeddedPostgres(data), EmbeddedValkey(data)
        async with running(postgres, valkey):
            servers = Servers(postgres.url, valkey.url)
            await servers.make_template()
            async with open_harness(servers, tmp_path) as harness:
                client = await harness.user()
                os.kill(postgres.pid, signal.SIGKILL)
                statuses: Counter[int] = Counter()
                for _ in range(400):
                    statuses[(await client.get("/api/movies")).status] += 1
                    if (await harness.anonymous().get("/health/ready")).status == 200 and statuses[200] > 1:
                        break
                    await asyncio.sleep(0.05)
                assert set(statuses) <= {200, 503}
                assert statuses[200]
                assert (await client.get("/health/live")).status == 200


async def test_without_redis_people_sign_in_and_tasks_are_found(harness: Harness, shelf: Shelf) -> None:
    admin = await harness.user(Role.ADMIN, "mira")
    shelf.put("Film (2001).mp4")
    await harness.container.redis().aclose()
    pool = harness.container.redis().connection_pool
    pool.connection_kwargs["path"] = "/nowhere/valkey.sock"
    await pool.disconnect()
    assert (await harness.sign_in("mira", PASSWORD)).token
    wrong = {"username": "mira", "password": "wrong password"}
    assert (await harness.anonymous().post("/api/auth/login", wrong)).status == 401
    await harness.library(admin, shelf.root)
    assert (await admin.get("/api/movies")).json["total_items"] == 1
