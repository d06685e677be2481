"""File tokens: JWTs with a key, a type and an audience of their own, so that none is mistaken for another."""

from __future__ import annotations

from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from odeion.application.shared.signed_files import FileClaims, FileKind
from odeion.domain.shared.errors import Unauthorized
from odeion.domain.shared.ids import UserId

_ALGORITHM = "HS256"
_ISSUER = "odeion"
_TYPE = "odeion-file+jwt"
# Ours are under 400 characters.
_MAX_LENGTH = 2048


class JwtFileTokenCodec:
    """Implements FileTokenCodec. `key` is the server's 32 bytes; tokens are signed with one derived from it."""

    def __init__(self, key: bytes) -> None:
        self._key = OctKey.import_key(HKDF(SHA256(), 32, salt=None, info=b"odeion file tokens").derive(key))

    def issue(self, claims: FileClaims, *, at: datetime, expires_at: datetime) -> str:
        return jwt.encode(
            {"alg": _ALGORITHM, "typ": _TYPE},
            {
                "iss": _ISSUER,
                "aud": _audience(claims.kind),
                "kind": claims.kind.value,
                "sub": str(claims.user_id),
                "ref": claims.subject,
                "iat": int(at.timestamp()),
                "exp": int(expires_at.timestamp()),
            },
            self._key,
            algorithms=[_ALGORITHM],
        )

    def read(self, token: str, *, at: datetime) -> FileClaims:
        if len(token) > _MAX_LENGTH:
            raise _not_valid()
        try:
            decoded = jwt.decode(token, self._key, algorithms=[_ALGORITHM])
        except (JoseError, ValueError, TypeError, RecursionError):
            raise _not_valid() from None
        claims = decoded.claims
        kind, user_id, subject, expires = (claims.get(name) for name in ("kind", "sub", "ref", "exp"))
        if (
            decoded.header.get("typ") != _TYPE
            or claims.get("iss") != _ISSUER
            or not isinstance(kind, str)
            or kind not in set(FileKind)
            or claims.get("aud") != _audience(FileKind(kind))
            or not isinstance(user_id, str)
            or not (user_id.isascii() and user_id.isdigit() and len(user_id) < 19)
            or not isinstance(subject, str)
            or type(expires) is not int
        ):
            raise _not_valid()
        if at.timestamp() >= expires:
            raise Unauthorized("this address has expired; ask for another")
        return FileClaims(FileKind(kind), UserId(int(user_id)), subject)


def _audience(kind: FileKind) -> str:
    return f"odeion:file:{kind.value}"


def _not_valid() -> Unauthorized:
    return Unauthorized("this address is not valid")
