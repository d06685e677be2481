"""What every OutboundHttp does, the real one and the one that tests use; and what only the real one can be asked."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from odeion.adapters.memory.outbound import MemoryOutboundHttp
from odeion.adapters.outbound.client import HardenedHttp
from odeion.application.shared.outbound import OutboundFailed, OutboundHttp, OutboundRequest, OutboundResponse


class World(ABC):
    """A server of the local network, which answers as told."""

    http: OutboundHttp
    url: str
    host: str

    @abstractmethod
    def tell(self, status: int, headers: dict[str, str], body: bytes) -> None: ...

    @abstractmethod
    def asked(self) -> list[tuple[str, str, bytes]]:
        """Method, path with query, and body of each request so far."""


class InMemory(World):
    def __init__(self) -> None:
        self.http = self._http = MemoryOutboundHttp()
        self.host = "server.test"
        self.url = "http://server.test"
        self._http.local.add(self.host)
        self.tell(200, {}, b"")

    def tell(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self._http.sites[self.host] = lambda request: OutboundResponse(status=status, headers=headers, body=body)

    def asked(self) -> list[tuple[str, str, bytes]]:
        return [(request.method, request.url.removeprefix(self.url), request.body) for request in self._http.asked]


class OnLoopback(World):
    def __init__(self, server: LoopbackServer) -> None:
        self._server = server
        self.http = HardenedHttp(server.resolve)
        self.host = "server.test"
        self.url = f"http://server.test:{server.port}"

    def tell(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self._server.answer = (status, headers, body)

    def asked(self) -> list[tuple[str, str, bytes]]:
        return [(method, path, body) for method, path, _, body in self._server.asked]


class LoopbackServer:
    """HTTP/1.1 as far as these tests need it. `addresses` is what names resolve to, one list after the other."""

    def __init__(self) -> None:
        self.answer: tuple[int, dict[str, str], bytes] = (200, {}, b"")
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.addresses: list[list[str]] = [["127.0.0.1"]]
        self.is_silent = False
        self.port = 0

    async def resolve(self, host: str, port: int) -> list[str]:
        if host != "server.test":
            raise OSError("unknown")
        return self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head[1:] if line}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.asked.append((method, path, headers, body))
            if not self.is_silent:
                status, sent, content = self.answer
                sent = {"Content-Length": str(len(content)), "Connection": "close", **sent}
                lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
                writer.write("\r\n".join(lines).encode() + content)
                await writer.drain()
            else:
                await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    made = LoopbackServer()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()
    await listening.wait_closed()


@pytest.fixture(params=["memory", "httpx"])
def world(request: pytest.FixtureRequest, server: LoopbackServer) -> World:
    return InMemory() if request.param == "memory" else OnLoopback(server)


def request(world: World, path: str = "/", method: str = "GET", **options: Any) -> OutboundRequest:
    return OutboundRequest(method=method, url=world.url + path, **{"local_hosts": frozenset({world.host}), **options})


class TestSend:
    async def test_brings_status_headers_and_body(self, world: World) -> None:
        world.tell(418, {"x-tea": "green"}, b"\x00\xff")
        answer = await world.http.send(request(world))
        assert (answer.status, answer.headers["x-tea"], answer.body) == (418, "green", b"\x00\xff")

    async def test_takes_method_path_and_body_along(self, world: World) -> None:
        await world.http.send(request(world, "/a?b=c%20d", "POST", body=b"hello"))
        assert world.asked() == [("POST", "/a?b=c%20d", b"hello")]

    @pytest.mark.parametrize("location", ["http://127.0.0.1/secret", "/elsewhere"])
    async def test_follows_no_redirect(self, world: World, location: str) -> None:
        world.tell(302, {"location": location}, b"")
        answer = await world.http.send(request(world))
        assert (answer.status, len(world.asked())) == (302, 1)

    async def test_refuses_an_answer_that_is_too_big(self, world: World) -> None:
        world.tell(200, {}, b"x" * 1001)
        with pytest.raises(OutboundFailed, match="too big"):
            await world.http.send(request(world, max_bytes=1000))

    async def test_takes_one_that_is_just_small_enough(self, world: World) -> None:
        world.tell(200, {}, b"x" * 1000)
        assert len((await world.http.send(request(world, max_bytes=1000))).body) == 1000

    async def test_a_local_server_needs_an_administrators_word(self, world: World) -> None:
        for url in (world.url, world.url.replace("http:", "https:")):
            with pytest.raises(OutboundFailed):
                await world.http.send(OutboundRequest(method="GET", url=url))
        assert not world.asked()

    async def test_the_word_for_one_host_is_none_for_another(self, world: World) -> None:
        with pytest.raises(OutboundFailed):
            await world.http.send(request(world, local_hosts=frozenset({"other.test"})))
        assert not world.asked()

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "/",
            "x",
            "http://",
            "https://",
            "https://unknown.test/",
            "file:///etc/passwd",
            "ftp://server.test/",
            "gopher://server.test/",
            "https://[bad/",
            "https://user:secret@server.test/",
        ],
    )
    async def test_refuses_addresses_that_are_not_asked(self, world: World, url: str) -> None:
        with pytest.raises(OutboundFailed):
            await world.http.send(OutboundRequest(method="GET", url=url, local_hosts=frozenset({world.host})))
        assert not world.asked()


class TestHardened:
    """What has to do with names, addresses and time."""

    @pytest.fixture
    def world(self, server: LoopbackServer) -> OnLoopback:
        return OnLoopback(server)

    async def test_connects_to_the_address_it_checked(self, world: OnLoopback, server: LoopbackServer) -> None:
        """A name that flips between look-ups gains nothing: there is one look-up."""
        server.addresses = [["127.0.0.1"], ["169.254.169.254"]]
        assert (await world.http.send(request(world))).status == 200
        with pytest.raises(OutboundFailed, match="not asked"):
            await world.http.send(request(world))

    @pytest.mark.parametrize(
        "addresses",
        [
            ["93.184.216.34", "127.0.0.1"],
            ["93.184.216.34", "::ffff:10.0.0.1"],
            ["2606:4700::1", "64:ff9b::7f00:1"],
            ["fe80::1%eth0"],
        ],
        ids=str,
    )
    async def test_one_forbidden_address_refuses_all(
        self, world: OnLoopback, server: LoopbackServer, addresses: list[str]
    ) -> None:
        server.addresses = [addresses]
        with pytest.raises(OutboundFailed, match="not asked"):
            await world.http.send(OutboundRequest(method="GET", url="https://server.test/"))

    async def test_the_next_address_is_tried(self, world: OnLoopback, server: LoopbackServer) -> None:
        server.addresses = [["127.0.0.9", "127.0.0.1"]]
        assert (await world.http.send(request(world))).status == 200

    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
    )
    async def test_odd_spellings_of_loopback_are_loopback(self, server: LoopbackServer, host: str) -> None:
        with pytest.raises(OutboundFailed):
            await HardenedHttp().send(OutboundRequest(method="GET", url=f"https://{host}:{server.port}/"))
        assert not server.asked

    async def test_names_the_host_and_asks_for_nothing_compressed(
        self, world: OnLoopback, server: LoopbackServer
    ) -> None:
        await world.http.send(request(world, headers={"Host": "evil.test", "X-Own": "1"}))
        headers = server.asked[0][2]
        assert headers["host"] == f"server.test:{server.port}"
        assert (headers["accept-encoding"], headers["x-own"]) == ("identity", "1")
        assert "cookie" not in headers

    async def test_refuses_what_is_compressed_nonetheless(self, world: OnLoopback) -> None:
        world.tell(200, {"Content-Encoding": "gzip"}, gzip.compress(b"x" * 10_000_000))
        with pytest.raises(OutboundFailed, match="compressed"):
            await world.http.send(request(world))

    async def test_gives_up_on_a_server_that_says_nothing(self, world: OnLoopback, server: LoopbackServer) -> None:
        server.is_silent = True
        with pytest.raises(OutboundFailed, match="too long"):
            await world.http.send(request(world, timeout_s=0.2))

    async def test_gives_up_on_a_name_that_takes_too_long(self) -> None:
        async def never(host: str, port: int) -> list[str]:
            return await asyncio.Future()

        with pytest.raises(OutboundFailed, match="too long"):
            await HardenedHttp(never).send(OutboundRequest(method="GET", url="https://server.test/", timeout_s=0.1))

    async def test_nothing_listens(self, world: OnLoopback, server: LoopbackServer) -> None:
        server.addresses = [["127.0.0.9"]]
        with pytest.raises(OutboundFailed, match="not reachable"):
            await world.http.send(request(world))

    async def test_plain_http_behind_an_https_address_is_refused(self, world: OnLoopback) -> None:
        with pytest.raises(OutboundFailed):
            await world.http.send(
                OutboundRequest(
                    method="GET",
                    url=world.url.replace("http:", "https:"),
                    local_hosts=frozenset({world.host}),
                    timeout_s=1,
                )
            )

    @pytest.mark.parametrize(("name", "message"), [("server.test", None), ("other.test", "certificate")])
    async def test_the_certificate_must_be_of_the_name(
        self, server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str | None
    ) -> None:
        """Of the name that was asked for, though the connection goes to an address."""
        certificate = _certificate(tmp_path, name)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
        port = listening.sockets[0].getsockname()[1]
        asked = OutboundRequest(
            method="GET", url=f"https://server.test:{port}/", local_hosts=frozenset({"server.test"})
        )
        try:
            if message is None:
                assert (await HardenedHttp(server.resolve).send(asked)).status == 200
            else:
                with pytest.raises(OutboundFailed, match=message):
                    await HardenedHttp(server.resolve).send(asked)
        finally:
            listening.close()
            await listening.wait_closed()

    async def test_proxies_of_the_environment_are_not_asked(
        self, world: OnLoopback, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
        assert (await world.http.send(request(world))).status == 200


def _certificate(folder: Path, name: str) -> Path:
    """A file with a key, and a certificate of that key for `name`, signed with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    file = folder / "certificate.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(secret + made.public_bytes(Encoding.PEM))
    return file
