"""WebAuthn by the webauthn library, for the site the server is reached at."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

import orjson
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import parse_authentication_credential_json, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from odeion.application.identity.second_factor_ports import Assertion, NewCredential
from odeion.application.shared.links import Links
from odeion.domain.identity.second_factors import Passkey
from odeion.domain.shared.errors import BadRequest, Conflict, Unauthorized
from odeion.domain.shared.ids import UserId

_SITE_NAME = "Odeion"
# What the library lets through of malformed input beside its own errors.
_MALFORMED = (WebAuthnException, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError)


class WebAuthnCeremonies:
    """Implements PasskeyCeremonies."""

    def __init__(self, links: Links) -> None:
        self._links = links

    def creation_options(
        self, *, user_id: UserId, username: str, challenge: bytes, known: Sequence[Passkey]
    ) -> dict[str, Any]:
        options = generate_registration_options(
            rp_id=self._site(),
            rp_name=_SITE_NAME,
            user_id=_handle(user_id),
            user_name=username,
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=_descriptors(known),
        )
        return _plain(options_to_json(options))

    def request_options(self, *, challenge: bytes, allowed: Sequence[Passkey], verify_user: bool) -> dict[str, Any]:
        options = generate_authentication_options(
            rp_id=self._site(),
            challenge=challenge,
            allow_credentials=_descriptors(allowed),
            user_verification=_verification(verify_user),
        )
        return _plain(options_to_json(options))

    def challenge_of(self, credential: dict[str, Any]) -> bytes:
        try:
            return parse_client_data_json(base64url_to_bytes(credential["response"]["clientDataJSON"])).challenge
        except _MALFORMED:
            raise BadRequest("this is no answer of an authenticator") from None

    def credential_id_of(self, credential: dict[str, Any]) -> bytes:
        try:
            return base64url_to_bytes(credential["rawId"])
        except _MALFORMED:
            raise BadRequest("this is no answer of an authenticator") from None

    def verify_creation(self, credential: dict[str, Any], *, challenge: bytes) -> NewCredential:
        try:
            verified = verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._site(),
                expected_origin=self._links.origin,
                require_user_verification=True,
            )
        except _MALFORMED:
            raise BadRequest("this passkey cannot be used: it was not made for this site, just now") from None
        return NewCredential(
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            transports=_transports(credential),
            is_backed_up=verified.credential_backed_up,
        )

    def verify_assertion(
        self, credential: dict[str, Any], passkey: Passkey, *, challenge: bytes, verify_user: bool
    ) -> Assertion:
        try:
            handle = parse_authentication_credential_json(credential).response.user_handle
            if handle is not None and handle != _handle(passkey.user_id):
                raise Unauthorized("this passkey belongs to somebody else")
            verified = verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._site(),
                expected_origin=self._links.origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=verify_user,
            )
        except _MALFORMED:
            raise Unauthorized("this passkey did not prove itself") from None
        return Assertion(sign_count=verified.new_sign_count, is_backed_up=verified.credential_backed_up)

    def _site(self) -> str:
        """The host, which passkeys are bound to. Browsers bind them to names only."""
        host = self._links.host
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return host
        raise Conflict("passkeys need a host name: set the server's base URL (ODEION_BASE_URL) to one")


def _handle(user_id: UserId) -> bytes:
    """What an authenticator knows the account by."""
    return user_id.to_bytes(8, "big")


def _verification(verify_user: bool) -> UserVerificationRequirement:
    return UserVerificationRequirement.REQUIRED if verify_user else UserVerificationRequirement.PREFERRED


def _descriptors(passkeys: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=passkey.credential_id, transports=[AuthenticatorTransport(name) for name in passkey.transports]
        )
        for passkey in passkeys
    ]


def _transports(credential: dict[str, Any]) -> tuple[str, ...]:
    """Those a browser named that are known; they are hints."""
    named = credential["response"].get("transports")
    known = {transport.value for transport in AuthenticatorTransport}
    return tuple(name for name in known if isinstance(named, list) and name in named)


def _plain(options: str) -> dict[str, Any]:
    value: dict[str, Any] = orjson.loads(options)
    return value
