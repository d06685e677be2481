"""The system's randomness, and boxes sealed with the server's key."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from odeion.domain.shared.errors import Unavailable

_NONCE_BYTES = 12


class SystemSecretSource:
    """Implements SecretSource."""

    def token(self) -> str:
        return secrets.token_urlsafe(32)

    def bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)

    def code(self, length: int, alphabet: str) -> str:
        return "".join(secrets.choice(alphabet) for _ in range(length))


class AesGcmSecretBox:
    """Implements SecretBox. `key` is the server's 32 bytes; each purpose has a key derived from it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, secret: bytes, *, purpose: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher(purpose).encrypt(nonce, secret, purpose.encode())

    def open(self, sealed: bytes, *, purpose: str) -> bytes:
        try:
            return self._cipher(purpose).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError):
            raise Unavailable("a stored secret cannot be read with this server's key; enter it again") from None

    def _cipher(self, purpose: str) -> AESGCM:
        derived = HKDF(SHA256(), 32, salt=None, info=b"odeion sealed " + purpose.encode()).derive(self._key)
        return AESGCM(derived)
