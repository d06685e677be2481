from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from odeion.adapters.embedded.postgres import EXTENSIONS, EmbeddedPostgres, find_running
from odeion.adapters.embedded.process import EmbeddedServerError


async def _value(server: EmbeddedPostgres, query: str) -> object:
    connection = await asyncpg.connect(server.dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def _pid_or_none(server: EmbeddedPostgres) -> int | None:
    try:
        return server.pid
    except EmbeddedServerError:
        return None


def _effective_uid(pid: int) -> int:
    for line in Path("/proc", str(pid), "status").read_text().splitlines():
        if line.startswith("Uid:"):
            return int(line.split()[2])
    raise AssertionError("no Uid line")


class TestStart:
    async def test_makes_a_database_at_the_first_start_and_keeps_it(self, tmp_path: Path) -> None:
        async with EmbeddedPostgres(tmp_path) as server:
            await _value(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        async with EmbeddedPostgres(tmp_path) as server:
            assert await _value(server, "SELECT answer FROM kept") == 42

    async def test_is_reached_by_sqlalchemy_and_has_the_extensions(self, data_dir: Path) -> None:
        async with EmbeddedPostgres(data_dir) as server:
            engine = create_async_engine(server.url)
            async with engine.connect() as connection:
                names = set((await connection.execute(text("SELECT extname FROM pg_extension"))).scalars())
                await connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
                lower = (await connection.execute(text("SELECT lower('ÄÉŁ') || unaccent('é')"))).scalar_one()
            await engine.dispose()
        assert set(EXTENSIONS) <= names
        assert lower == "äéłe"

    async def test_gives_its_role_neither_files_nor_programs_of_the_machine(self, data_dir: Path) -> None:
        async with EmbeddedPostgres(data_dir) as server:
            for query in ("SELECT pg_read_file('/etc/passwd')", "COPY (SELECT 1) TO PROGRAM 'cat'"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await _value(server, query)

    async def test_never_runs_as_root_and_listens_on_no_network(self, data_dir: Path) -> None:
        async with EmbeddedPostgres(data_dir) as server:
            uid = _effective_uid(server.pid)
            assert uid == os.geteuid() if os.geteuid() != 0 else uid != 0
            assert await _value(server, "SELECT current_setting('listen_addresses')") == ""
            assert await _value(server, "SELECT current_setting('fsync')") == "on"
            assert server.socket_dir.stat().st_mode & 0o777 == 0o700

    async def test_finds_room_for_its_socket_when_the_path_is_long(self, made_once: Path, tmp_path: Path) -> None:
        folder = tmp_path / ("a rather long name, " * 6)
        await asyncio.to_thread(made_once.rename, folder)
        try:
            async with EmbeddedPostgres(folder) as server:
                assert len(os.fsencode(server.socket_dir)) < 90
                assert await _value(server, "SELECT 1") == 1
        finally:
            folder.rename(made_once)

    async def test_is_found_by_other_commands_while_it_runs(self, data_dir: Path) -> None:
        assert find_running(data_dir) is None
        async with EmbeddedPostgres(data_dir) as server:
            assert find_running(data_dir) == server.url
        assert find_running(data_dir) is None

    async def test_refuses_a_second_one_on_the_same_folder(self, data_dir: Path) -> None:
        async with EmbeddedPostgres(data_dir) as server:
            with pytest.raises(EmbeddedServerError, match=f"already running .process {server.pid}"):
                await EmbeddedPostgres(data_dir, lock_deadline_s=0.1).start()
            assert await _value(server, "SELECT 1") == 1

    async def test_says_why_it_did_not_start(self, data_dir: Path) -> None:
        (data_dir / "postgres" / "postgresql.conf").write_text("no_such_setting = 1\n")
        with pytest.raises(EmbeddedServerError, match="no_such_setting"):
            await EmbeddedPostgres(data_dir).start()


class TestLeftovers:
    async def test_starts_though_the_noted_process_id_belongs_to_another_program_now(self, data_dir: Path) -> None:
        (data_dir / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{data_dir}/postgres\n1\n5432\n/tmp\n\n")
        async with EmbeddedPostgres(data_dir) as server:
            assert await _value(server, "SELECT 1") == 1

    async def test_forgets_a_database_that_was_half_made(self, tmp_path: Path) -> None:
        half_made = tmp_path / "postgres.new"
        half_made.mkdir()
        (half_made / "PG_VERSION").write_text("18\n")
        async with EmbeddedPostgres(tmp_path) as server:
            assert await _value(server, "SELECT 1") == 1
        assert not half_made.exists()

    async def test_touches_no_foreign_files(self, tmp_path: Path) -> None:
        (tmp_path / "postgres").mkdir()
        (tmp_path / "postgres" / "precious").write_text("mine")
        with pytest.raises(EmbeddedServerError, match="holds files but no database"):
            await EmbeddedPostgres(tmp_path).start()
        assert (tmp_path / "postgres" / "precious").read_text() == "mine"

    async def test_refuses_a_database_of_another_version(self, data_dir: Path) -> None:
        (data_dir / "postgres" / "PG_VERSION").write_text("17\n")
        with pytest.raises(EmbeddedServerError, match="PostgreSQL 17"):
            await EmbeddedPostgres(data_dir).start()


class TestCrash:
    async def test_comes_back_with_what_was_committed(self, data_dir: Path) -> None:
        async with EmbeddedPostgres(data_dir) as server:
            await _value(server, "CREATE TABLE kept AS SELECT 7 AS answer")
            killed = server.pid
            os.kill(killed, signal.SIGKILL)
            async with asyncio.timeout(30):
                while _pid_or_none(server) in (None, killed):
                    await asyncio.sleep(0.05)
            assert await _value(server, "SELECT answer FROM kept") == 7
