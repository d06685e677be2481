"""Session tokens: JWTs signed with one key by one algorithm, for one audience."""

from __future__ import annotations

from datetime import datetime

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from odeion.application.identity.ports import SessionClaims
from odeion.domain.shared.errors import Unauthorized
from odeion.domain.shared.ids import LoginSessionId, UserId

_ALGORITHM = "HS256"
_ISSUER = "odeion"
_AUDIENCE = "odeion:session"
# Ours are under 300 characters; anything much longer is not worth parsing.
_MAX_LENGTH = 2048


class JwtTokenCodec:
    """`key` is 32 random bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = OctKey.import_key(key)

    def issue(self, claims: SessionClaims, *, at: datetime, expires_at: datetime) -> str:
        return jwt.encode(
            {"alg": _ALGORITHM, "typ": "JWT"},
            {
                "iss": _ISSUER,
                "aud": _AUDIENCE,
                "sub": str(claims.user_id),
                "sid": str(claims.session_id),
                "iat": int(at.timestamp()),
                "exp": int(expires_at.timestamp()),
            },
            self._key,
            algorithms=[_ALGORITHM],
        )

    def read(self, token: str, *, at: datetime) -> SessionClaims:
        if len(token) > _MAX_LENGTH:
            raise Unauthorized("this session token is not valid")
        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
        except (JoseError, ValueError, TypeError, RecursionError):
            raise Unauthorized("this session token is not valid") from None
        expires = claims.get("exp")
        subject, session = claims.get("sub"), claims.get("sid")
        if (
            claims.get("iss") != _ISSUER
            or claims.get("aud") != _AUDIENCE
            or type(expires) is not int
            or not _is_id(subject)
            or not _is_id(session)
        ):
            raise Unauthorized("this session token is not valid")
        if at.timestamp() >= expires:
            raise Unauthorized("this session token has expired; refresh it")
        return SessionClaims(UserId(int(str(subject))), LoginSessionId(int(str(session))))


def _is_id(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19
