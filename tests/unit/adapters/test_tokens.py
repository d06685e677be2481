"""Session tokens, and every way to come with one that is none."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwe import JWERegistry
from joserfc.jwk import OctKey, RSAKey

from odeion.adapters.security.tokens import JwtTokenCodec
from odeion.application.identity.ports import SessionClaims
from odeion.domain.shared.errors import Unauthorized
from odeion.domain.shared.ids import LoginSessionId, UserId
from tests.fuzz_tokens import fuzz
from tests.unit.adapters.forgery import b64, forge

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = bytes(range(32))
CODEC = JwtTokenCodec(KEY)
CLAIMS = SessionClaims(UserId(7), LoginSessionId(11))


def issued() -> str:
    return CODEC.issue(CLAIMS, at=NOW, expires_at=NOW + timedelta(minutes=15))


def forged(header: dict[str, Any] | None = None, key: bytes = KEY, digest: str = "sha256", **claims: Any) -> str:
    return forge(issued(), header, key, digest, claims)


def refuses(token: str, at: datetime = NOW) -> None:
    with pytest.raises(Unauthorized):
        CODEC.read(token, at=at)


def test_what_was_issued_is_read() -> None:
    assert CODEC.read(issued(), at=NOW) == CLAIMS


def test_a_forgery_with_the_right_key_and_claims_would_be_read() -> None:
    """So that what is refused below is refused for its one fault."""
    assert CODEC.read(forged(), at=NOW) == CLAIMS


def test_refuses_after_its_time() -> None:
    assert CODEC.read(issued(), at=NOW + timedelta(seconds=899)) == CLAIMS
    refuses(issued(), at=NOW + timedelta(seconds=900))


def test_refuses_another_key() -> None:
    refuses(forged(key=bytes(32)))


def test_refuses_no_algorithm() -> None:
    for name in ("none", "None", "NONE", ""):
        refuses(forged({"alg": name, "typ": "JWT"}))
        refuses(forged({"alg": name, "typ": "JWT"}).rpartition(".")[0] + ".")


def test_refuses_no_signature() -> None:
    refuses(issued().rpartition(".")[0] + ".")
    refuses(issued().rpartition(".")[0])


@pytest.mark.parametrize(("algorithm", "digest"), [("HS384", "sha384"), ("HS512", "sha512")])
def test_refuses_another_algorithm_of_the_same_key(algorithm: str, digest: str) -> None:
    refuses(forged({"alg": algorithm, "typ": "JWT"}, digest=digest))


def test_refuses_another_kind_of_key() -> None:
    claims = json.loads(base64.urlsafe_b64decode(issued().split(".")[1] + "=="))
    refuses(jwt.encode({"alg": "RS256"}, claims, RSAKey.generate_key(2048), algorithms=["RS256"]))


@pytest.mark.parametrize("header", [{"jwk": {"kty": "oct", "k": b64(bytes(32))}}, {"kid": "x"}, {"jku": "https://x"}])
def test_a_key_in_the_token_is_no_key(header: dict[str, Any]) -> None:
    refuses(forged({"alg": "HS256", "typ": "JWT", **header}, key=bytes(32)))


@pytest.mark.parametrize("critical", [["exp"], ["b64"], [], "exp"])
def test_refuses_what_is_critical_and_not_understood(critical: object) -> None:
    refuses(forged({"alg": "HS256", "crit": critical, "b64": False}))


@pytest.mark.parametrize("issuer", ["another", "", ["odeion"], {"odeion": 1}, 7, True, None])
def test_refuses_another_issuer_and_issuers_that_are_no_text(issuer: object) -> None:
    refuses(forged(iss=issuer))


@pytest.mark.parametrize("audience", ["odeion", "odeion:file", "", ["odeion:session"], {"odeion:session": 1}, 7, None])
def test_refuses_another_audience_and_audiences_that_are_no_text(audience: object) -> None:
    """The audience is the kind: a token for anything else of ours is no session."""
    refuses(forged(aud=audience))


@pytest.mark.parametrize("expires", ["9999999999", 9999999999.5, True, [9999999999], None, {}])
def test_refuses_times_that_are_no_whole_numbers(expires: object) -> None:
    refuses(forged(exp=expires))


@pytest.mark.parametrize("name", ["sub", "sid"])
@pytest.mark.parametrize("value", [7, "", "-7", "7.0", "７", "0x7", " 7", "1" * 19, ["7"], True, None])
def test_refuses_ids_that_are_none(name: str, value: object) -> None:
    claims: dict[str, Any] = {name: value}
    refuses(forged(**claims))


@pytest.mark.parametrize(
    "spelling",
    [
        lambda token: token + "=",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token[:-4] + "!" + token[-4:],
        lambda token: token.replace(".", "..", 1),
        lambda token: token + ".x",
        lambda token: json.dumps({"payload": token}),
        lambda token: token.replace("_", "/").replace("-", "+") + "==",
    ],
)
def test_refuses_other_spellings(spelling: Any) -> None:
    refuses(spelling(issued()))


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "x" * 2049, "é.é.é", "\x00", issued() + "A" * 2048])
def test_refuses_what_is_no_token(token: str) -> None:
    refuses(token)


def test_refuses_a_body_that_is_no_object() -> None:
    for body in (b"[]", b"null", b'"x"', b"{", b"\xff", b"[" * 500):
        head = issued().split(".")[0]
        signed = f"{head}.{b64(body)}"
        refuses(f"{signed}.{b64(hmac.digest(KEY, signed.encode(), 'sha256'))}")


def test_a_token_encrypted_to_the_key_is_refused() -> None:
    encrypted = jwt.encode(
        {"alg": "dir", "enc": "A256GCM"},
        {"iss": "odeion"},
        OctKey.import_key(KEY),
        algorithms=["dir", "A256GCM"],
        registry=JWERegistry(),
    )
    refuses(encrypted)


@pytest.mark.parametrize("claims", [{"sub": "8"}, {"sid": "12"}])
def test_a_replayed_signature_is_good_for_its_own_claims_only(claims: dict[str, Any]) -> None:
    refuses(forged(**claims).rpartition(".")[0] + "." + issued().rpartition(".")[2])


def test_mutated_secrets_open_no_door() -> None:
    """`script/fuzz-tokens` tries many more."""
    assert fuzz(2_000) > 1_000
