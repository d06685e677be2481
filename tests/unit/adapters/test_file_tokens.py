"""File tokens, and every way to come with one that is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from odeion.adapters.security.file_tokens import JwtFileTokenCodec
from odeion.adapters.security.tokens import JwtTokenCodec
from odeion.application.identity.ports import SessionClaims
from odeion.application.shared.signed_files import FileClaims, FileKind
from odeion.domain.shared.errors import Unauthorized
from odeion.domain.shared.ids import LoginSessionId, UserId
from tests.unit.adapters.forgery import forge

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = bytes(range(32))
DERIVED = HKDF(SHA256(), 32, salt=None, info=b"odeion file tokens").derive(KEY)
CODEC = JwtFileTokenCodec(KEY)
CLAIMS = FileClaims(FileKind.MEDIA, UserId(7), "movie:1:2")


def issued(claims: FileClaims = CLAIMS) -> str:
    return CODEC.issue(claims, at=NOW, expires_at=NOW + timedelta(minutes=10))


def forged(header: dict[str, Any] | None = None, key: bytes = DERIVED, **claims: Any) -> str:
    return forge(issued(), header, key, "sha256", claims)


def refuses(token: str, at: datetime = NOW) -> None:
    with pytest.raises(Unauthorized):
        CODEC.read(token, at=at)


@pytest.mark.parametrize("kind", FileKind)
def test_what_was_issued_is_read(kind: FileKind) -> None:
    claims = FileClaims(kind, UserId(7), "movie:1:2:hd")
    assert CODEC.read(issued(claims), at=NOW) == claims


def test_a_forgery_with_the_right_key_and_claims_would_be_read() -> None:
    """So that what is refused below is refused for its one fault."""
    assert CODEC.read(forged(), at=NOW) == CLAIMS


def test_refuses_after_its_time() -> None:
    assert CODEC.read(issued(), at=NOW + timedelta(seconds=599)) == CLAIMS
    refuses(issued(), at=NOW + timedelta(seconds=600))


def test_the_servers_own_key_is_another() -> None:
    refuses(forged(key=KEY))


def test_refuses_another_kind_under_the_same_audience() -> None:
    refuses(forged(kind="media_transcoded"))
    refuses(forged(aud="odeion:file:media_transcoded"))
    assert CODEC.read(forged(kind="media_transcoded", aud="odeion:file:media_transcoded"), at=NOW).kind == (
        FileKind.MEDIA_TRANSCODED
    )


@pytest.mark.parametrize("kind", ["backup", "session", "", 7, ["media"], None])
def test_refuses_kinds_it_does_not_know(kind: object) -> None:
    refuses(forged(kind=kind, aud=f"odeion:file:{kind}"))


@pytest.mark.parametrize("audience", ["odeion:session", "odeion:file", ["odeion:file:media"], None])
def test_refuses_another_audience(audience: object) -> None:
    refuses(forged(aud=audience))


@pytest.mark.parametrize("kind", ["JWT", "", None])
def test_refuses_another_type(kind: object) -> None:
    refuses(forged({"alg": "HS256", "typ": kind}))


@pytest.mark.parametrize("name", ["none", "HS512"])
def test_refuses_another_algorithm(name: str) -> None:
    refuses(forged({"alg": name, "typ": "odeion-file+jwt"}))


@pytest.mark.parametrize(
    "claims",
    [
        *({"sub": value} for value in (7, "-7", None)),
        *({"ref": value} for value in (1, None)),
        *({"exp": value} for value in ("9999999999", None)),
        *({"iss": value} for value in ("another", None)),
    ],
)
def test_refuses_claims_that_are_none(claims: dict[str, Any]) -> None:
    refuses(forged(**claims))


@pytest.mark.parametrize("token", ["", ".", "a.b.c", "x" * 2049, "é.é.é", "\x00"])
def test_refuses_what_is_no_token(token: str) -> None:
    refuses(token)


class TestConfusion:
    def test_a_session_token_opens_no_file(self) -> None:
        claims = SessionClaims(UserId(7), LoginSessionId(1))
        refuses(JwtTokenCodec(KEY).issue(claims, at=NOW, expires_at=NOW + timedelta(minutes=15)))

    @pytest.mark.parametrize("kind", FileKind)
    def test_a_file_token_is_no_session(self, kind: FileKind) -> None:
        with pytest.raises(Unauthorized):
            JwtTokenCodec(KEY).read(issued(FileClaims(kind, UserId(7), "movie:1:2")), at=NOW)
