"""An authenticator in software: ES256 passkeys, as a browser hands them on (WebAuthn level 3, section 5.1)."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

_USER_PRESENT, _USER_VERIFIED, _HAS_CREDENTIAL = 0x01, 0x04, 0x40


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Passkey:
    site: str
    handle: bytes
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))


@dataclass
class Authenticator:
    """In a browser that shows the page of `origin`. `count` is its use counter: 0 for ever where it has none. `next_id`
    is an id to claim for the next passkey, in place of a random one."""

    origin: str = "http://localhost:8096"
    verifies_user: bool = True
    count: int = 0
    passkeys: list[Passkey] = field(default_factory=list)
    next_id: bytes | None = None

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """What `navigator.credentials.create` answers, as JSON."""
        passkey = Passkey(options["rp"]["id"], unb64(options["user"]["id"]))
        passkey.credential_id = self.next_id or passkey.credential_id
        self.passkeys.append(passkey)
        point = passkey.key.public_key().public_numbers()
        public_key = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        attested = bytes(16) + len(passkey.credential_id).to_bytes(2, "big") + passkey.credential_id
        data = self._data(passkey.site, _HAS_CREDENTIAL) + attested + cbor2.dumps(public_key)
        return self._credential(
            passkey,
            {
                "clientDataJSON": b64(self._client_data("webauthn.create", options["challenge"])),
                "attestationObject": b64(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
                "transports": ["internal"],
            },
        )

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        """What `navigator.credentials.get` answers, as JSON, with the newest passkey that fits."""
        allowed = {unb64(entry["id"]) for entry in options.get("allowCredentials", [])}
        passkey = next(
            passkey
            for passkey in reversed(self.passkeys)
            if passkey.site == options["rpId"] and (not allowed or passkey.credential_id in allowed)
        )
        self.count += 1 if self.count else 0
        client_data = self._client_data("webauthn.get", options["challenge"])
        data = self._data(passkey.site)
        signature = passkey.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return self._credential(
            passkey,
            {
                "clientDataJSON": b64(client_data),
                "authenticatorData": b64(data),
                "signature": b64(signature),
                "userHandle": b64(passkey.handle),
            },
        )

    def _data(self, site: str, flags: int = 0) -> bytes:
        flags |= _USER_PRESENT | (_USER_VERIFIED if self.verifies_user else 0)
        return hashlib.sha256(site.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _credential(self, passkey: Passkey, response: dict[str, Any]) -> dict[str, Any]:
        name = b64(passkey.credential_id)
        return {
            "id": name,
            "rawId": name,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }
