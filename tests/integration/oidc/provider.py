"""A real OpenID provider on loopback, and somebody who signs in at its pages."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

_FOLDER = Path(__file__).parent
_START_LIMIT_S = 30


@dataclass(frozen=True)
class OidcProvider:
    """`issuer` is its address. Whoever types a name at its login page is the subject of that name."""

    issuer: str

    async def register(self, redirect_uri: str) -> dict[str, Any]:
        """A client of its own, as the settings of a provider want it (RFC 7591)."""
        async with httpx.AsyncClient(trust_env=False) as client:
            reply = await client.post(f"{self.issuer}/reg", json={"redirect_uris": [redirect_uri]})
            assert reply.status_code == 201, reply.text
            made = reply.json()
        return {
            "key": redirect_uri.rpartition("/")[2],
            "kind": "oidc",
            "display_name": "House",
            "client_id": made["client_id"],
            "client_secret": made["client_secret"],
            "issuer": self.issuer,
            "allow_private_network": True,
        }

    async def sign_in(self, authorize_url: str, subject: str, *, agree: bool = True) -> str:
        """Go through the pages of the provider like a browser: the address it sends the browser back to."""
        async with httpx.AsyncClient(trust_env=False) as browser:
            reply = await browser.get(authorize_url)
            for _ in range(12):
                if reply.is_redirect:
                    location = urljoin(str(reply.url), reply.headers["location"])
                    if not location.startswith(self.issuer):
                        return location
                    reply = await browser.get(location)
                    continue
                assert reply.status_code == 200, reply.text
                prompt = re.search(r'name="prompt" value="(\w+)"', reply.text)
                action = re.search(r'<form[^>]* action="([^"]+)"', reply.text)
                abort = re.search(r'href="([^"]+/abort)"', reply.text)
                assert prompt and action and abort, reply.text
                if not agree:
                    reply = await browser.get(urljoin(str(reply.url), abort[1]))
                    continue
                form = {"prompt": prompt[1]} | ({"login": subject, "password": "x"} if prompt[1] == "login" else {})
                reply = await browser.post(urljoin(str(reply.url), action[1]), data=form)
        raise AssertionError("the provider's pages lead nowhere")


@asynccontextmanager
async def running_oidc_provider() -> AsyncIterator[OidcProvider]:
    node = shutil.which("node")
    assert node is not None, "run script/bootstrap --dev, and have its Node.js in PATH"
    process = await asyncio.create_subprocess_exec(
        node,
        "server.mjs",
        cwd=_FOLDER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        async with asyncio.timeout(_START_LIMIT_S):
            while line := await process.stdout.readline():
                if line.startswith(b"ISSUER "):
                    break
        assert line, "the provider did not start"
        yield OidcProvider(line.split()[1].decode())
    finally:
        process.stdin.close()
        await process.wait()
