"""Direct play through a proxy that sends the files itself: with a real nginx, where there is one."""

from __future__ import annotations

import asyncio
import ipaddress
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from odeion.entrypoints.http.app import create_app
from odeion.entrypoints.http.context import AppContext, HttpSettings, Sendfile
from odeion.entrypoints.serving import serve_app
from tests.harness import Client, Harness, Shelf
from tests.integration.http.test_playback import start
from tests.integration.web.waiting import until

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
NAME = "Film (2001)/Film (2001) % é.mp4"

CONFIGURATION = """
daemon off; master_process off; error_log stderr error; pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1; }}
        location /odeion-files/ {{ internal; alias /; }}
    }}
}}
"""


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@pytest.fixture
async def admin(harness: Harness, shelf: Shelf) -> Client:
    client = await harness.user()
    shelf.put(NAME)
    await harness.library(client, shelf.root)
    return client


@asynccontextmanager
async def listening(harness: Harness, *, sendfile: Sendfile | None = None) -> AsyncIterator[int]:
    """The application on a port of its own."""
    settings = HttpSettings(trusted_proxies=LOOPBACK, sendfile=sendfile)
    app = create_app(AppContext(harness.container.use_cases(), settings))
    stopping, port = asyncio.Event(), free_port()
    serving = asyncio.create_task(serve_app(app, host="127.0.0.1", port=port, stopping=stopping))
    try:
        await until(partial(accepts, port), "the port is open", 30)
        yield port
    finally:
        stopping.set()
        await serving


async def accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@asynccontextmanager
async def nginx(folder: Path, upstream: int) -> AsyncIterator[int]:
    assert NGINX
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, upstream=upstream))
    process = await asyncio.create_subprocess_exec(
        NGINX, "-p", str(folder), "-e", "stderr", "-c", str(configuration), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await until(partial(accepts, port), "the port is open", 30)
        yield port
    finally:
        process.kill()
        await process.wait()


class TestNginx:
    @pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
    async def test_sends_files_itself(self, harness: Harness, admin: Client, shelf: Shelf, tmp_path: Path) -> None:
        url = (await start(admin)).json["url"]
        content = (shelf.root / NAME).read_bytes()
        async with (
            listening(harness, sendfile=Sendfile("X-Accel-Redirect", "/odeion-files")) as upstream,
            nginx(tmp_path, upstream) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            whole = await client.get(url)
            assert (whole.status_code, whole.content == content) == (200, True)
            assert (whole.headers["content-type"], whole.headers["accept-ranges"]) == ("video/mp4", "bytes")
            assert "x-accel-redirect" not in whole.headers
            part = await client.get(url, headers={"Range": "bytes=100-199"})
            assert (part.status_code, part.content) == (206, content[100:200])
            assert (await client.get(url, headers={"Range": "bytes=99999999-"})).status_code == 416
            again = await client.get(url, headers={"If-None-Match": whole.headers["etag"]})
            assert again.status_code == 304
            assert (await client.get("/odeion-files/etc/hostname")).status_code == 404


class TestSendfile:
    async def test_names_the_file_in_a_header(self, harness: Harness, admin: Client, shelf: Shelf) -> None:
        url = (await start(admin)).json["url"]
        async with (
            listening(harness, sendfile=Sendfile("X-Sendfile")) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            reply = await client.get(url)
        assert reply.content == b""
        assert reply.headers["x-sendfile"].endswith("/Film%20%282001%29%20%25%20%C3%A9.mp4")

    async def test_tells_no_path_to_others(self, harness: Harness, admin: Client, shelf: Shelf) -> None:
        url = (await start(admin)).json["url"]
        settings = HttpSettings(sendfile=Sendfile("X-Sendfile"))
        app = create_app(AppContext(harness.container.use_cases(), settings))
        reply = await Client(app.test_client()).get(url)
        assert "x-sendfile" not in reply.headers
        assert reply.body == (shelf.root / NAME).read_bytes()
