from __future__ import annotations

from pathlib import Path

import pytest
from arq.connections import RedisSettings
from redis.asyncio import Redis

from odeion.adapters.embedded.process import EmbeddedServerError
from odeion.adapters.embedded.valkey import EmbeddedValkey


class TestStart:
    async def test_answers_redis_clients(self, tmp_path: Path) -> None:
        async with EmbeddedValkey(tmp_path) as server:
            client = Redis.from_url(server.url)
            await client.set("greeting", "hello")
            assert await client.get("greeting") == b"hello"
            await client.aclose()
            assert RedisSettings.from_dsn(server.url).unix_socket_path == str(server.socket_dir / "valkey.sock")

    async def test_evicts_nothing_and_listens_on_no_network(self, tmp_path: Path) -> None:
        async with EmbeddedValkey(tmp_path) as server:
            client = Redis.from_url(server.url)
            settings = await client.config_get("maxmemory-policy", "port", "unixsocketperm")
            await client.aclose()
        assert settings == {"maxmemory-policy": "noeviction", "port": "0", "unixsocketperm": "700"}

    async def test_starts_over_a_stale_socket(self, tmp_path: Path) -> None:
        async with EmbeddedValkey(tmp_path) as server:
            sockets = server.socket_dir
        sockets.mkdir(mode=0o700, exist_ok=True)
        (sockets / "valkey.sock").write_text("")
        async with EmbeddedValkey(tmp_path) as server:
            assert server.pid

    async def test_refuses_a_second_one_on_the_same_folder(self, tmp_path: Path) -> None:
        async with EmbeddedValkey(tmp_path):
            with pytest.raises(EmbeddedServerError, match="already running"):
                await EmbeddedValkey(tmp_path, lock_deadline_s=0.1).start()
