"""Second factors: setting them up, and the second step of signing in."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from odeion.application.identity.passkeys import NewPasskey, PasskeyList, PasskeyOptions, PasskeyView
from odeion.application.identity.second_factors import RecoveryCodes, SecondFactorsView, TotpEnrolment
from odeion.application.identity.sign_in import SignedIn
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.second_factors import SecondFactor
from odeion.domain.identity.users import MAX_PASSWORD_LENGTH
from odeion.domain.shared.errors import Conflict, Forbidden, NotFound, TooManyRequests, Unauthorized
from odeion.domain.shared.ids import PasskeyId, UserId
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.endpoint import Area
from odeion.entrypoints.http.models import Id, Request
from odeion.entrypoints.http.security import caller

area = Area("second_factors")

Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=6, max_length=40)]
PasskeyName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")
]
# What `PublicKeyCredential.toJSON()` gives. Its shape is the browser's; the size of a body bounds it.
Credential = dict[Annotated[str, StringConstraints(max_length=100)], JsonValue]
Ticket = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_-]+$")]

_CREDENTIAL: dict[str, Any] = {
    "id": "J0pTq8",
    "rawId": "J0pTq8",
    "type": "public-key",
    "response": {"clientDataJSON": "eyJ0eXBl...", "authenticatorData": "SZYN5Y...", "signature": "MEUCIQ..."},
    "clientExtensionResults": {},
}


class ProofRequest(Request):
    """Exactly one of the two: a session alone may be a stolen one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"password": "correct horse"}, {"code": "123456"}]})

    password: Annotated[str, StringConstraints(min_length=1, max_length=MAX_PASSWORD_LENGTH)] | None = None
    code: Code | None = Field(None, description="Of the authenticator app, or a recovery code")


# None of these has a scope: an API key must never change how its owner signs in.
@area.get("/api/account/second-factors", tag="Auth", access=Access.VIEWER)
async def get_second_factors(viewer: Viewer) -> SecondFactorsView:
    """Get second factors

    What the authenticated user has set up."""
    return await use_cases().second_factors.get(viewer)


@area.post("/api/account/second-factors/totp", tag="Auth", access=Access.VIEWER, errors=(Conflict,))
async def enrol_totp(viewer: Viewer) -> TotpEnrolment:
    """Begin setting up an authenticator app

    Answers a new secret. It protects nothing until it is confirmed."""
    return await use_cases().second_factors.enrol_totp(viewer)


class TotpCodeRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "123456"}]})

    code: Code


@area.post(
    "/api/account/second-factors/totp/confirm",
    tag="Auth",
    access=Access.VIEWER,
    errors=(Forbidden, NotFound, Conflict),
)
async def confirm_totp(viewer: Viewer, body: TotpCodeRequest) -> RecoveryCodes:
    """Confirm an authenticator app

    With a right code the app counts: signing in has a second step from now on."""
    return await use_cases().second_factors.confirm_totp(viewer, body.code, caller())


@area.post(
    "/api/account/second-factors/totp/disable",
    tag="Auth",
    access=Access.VIEWER,
    status=204,
    errors=(Forbidden, NotFound),
)
async def disable_totp(viewer: Viewer, body: ProofRequest) -> None:
    """Turn off the authenticator app

    Needs the password or a code."""
    await use_cases().second_factors.disable_totp(viewer, caller(), password=body.password, code=body.code)


@area.post("/api/account/second-factors/recovery-codes", tag="Auth", access=Access.VIEWER, errors=(Forbidden, Conflict))
async def remake_recovery_codes(viewer: Viewer, body: ProofRequest) -> RecoveryCodes:
    """Make new recovery codes

    The old ones are void. Needs the password or a code."""
    return await use_cases().second_factors.remake_recovery_codes(
        viewer, caller(), password=body.password, code=body.code
    )


@area.post("/api/account/proof", tag="Auth", access=Access.VIEWER, status=204, errors=(Forbidden, TooManyRequests))
async def give_proof(viewer: Viewer, body: ProofRequest) -> None:
    """Show who you are

    What changes the ways into an account answers 403 `proof_required` when the last proof is older than ten minutes:
    show with the password or a code that it is you, and ask again. Signing in counts as one."""
    await use_cases().proof.give(viewer, caller(), password=body.password, code=body.code)


@area.get("/api/account/passkeys", tag="Auth", access=Access.VIEWER)
async def list_passkeys(viewer: Viewer) -> PasskeyList:
    """List passkeys

    Those of the authenticated user, oldest first."""
    return await use_cases().passkeys.list_own(viewer)


@area.post("/api/account/passkeys/options", tag="Auth", access=Access.VIEWER, errors=(Conflict,))
async def get_passkey_creation_options(viewer: Viewer) -> PasskeyOptions:
    """Get options for a new passkey

    What to hand to `navigator.credentials.create`."""
    return await use_cases().passkeys.creation_options(viewer)


class NewPasskeyRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Phone", "credential": _CREDENTIAL}]})

    name: PasskeyName
    credential: Credential


@area.post("/api/account/passkeys", tag="Auth", access=Access.VIEWER, status=201, errors=(Conflict,))
async def add_passkey(viewer: Viewer, body: NewPasskeyRequest) -> NewPasskey:
    """Add a passkey

    With what the authenticator answered. The account can be signed in to with it alone from now on."""
    return await use_cases().passkeys.add(viewer, name=body.name, credential=body.credential, caller=caller())


class PasskeyNameRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Phone"}]})

    name: PasskeyName


@area.patch("/api/account/passkeys/{id}", tag="Auth", access=Access.VIEWER, errors=(NotFound,))
async def rename_passkey(viewer: Viewer, id: Id, body: PasskeyNameRequest) -> PasskeyView:
    """Rename a passkey

    For telling them apart."""
    return await use_cases().passkeys.rename(viewer, PasskeyId(id), body.name)


@area.delete("/api/account/passkeys/{id}", tag="Auth", access=Access.VIEWER, status=204, errors=(NotFound, Conflict))
async def remove_passkey(viewer: Viewer, id: Id) -> None:
    """Remove a passkey

    Refused for the only way to sign in."""
    await use_cases().passkeys.remove(viewer, PasskeyId(id), caller())


@area.post("/api/auth/passkeys/options", tag="Auth", access=Access.PUBLIC, errors=(Conflict,))
async def get_passkey_login_options() -> PasskeyOptions:
    """Get options for signing in with a passkey

    What to hand to `navigator.credentials.get`; the device offers the passkeys it has for this site."""
    return await use_cases().passkeys.login_options()


class PasskeyLoginRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"credential": _CREDENTIAL}]})

    credential: Credential


@area.post("/api/auth/passkeys/login", tag="Auth", access=Access.PUBLIC, errors=(Unauthorized, Forbidden))
async def log_in_with_passkey(body: PasskeyLoginRequest) -> SignedIn:
    """Log in with a passkey

    The device has verified its owner, so there is no second step."""
    return await use_cases().passkeys.login(body.credential, caller())


class SecondStepOptionsRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"ticket": "q9J0c1yq4L0cX5Jm2Yc0bS9o7rW8tU6v"}]})

    ticket: Ticket


@area.post("/api/auth/second-factor/passkey-options", tag="Auth", access=Access.PUBLIC, errors=(Unauthorized, Conflict))
async def get_second_step_passkey_options(body: SecondStepOptionsRequest) -> PasskeyOptions:
    """Get options for a passkey as the second step

    What to hand to `navigator.credentials.get`: only passkeys of whoever is signing in."""
    return await use_cases().second_step.passkey_options(body.ticket)


class SecondStepRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"ticket": "q9J0c1yq4L0cX5Jm2Yc0bS9o7rW8tU6v", "method": "totp", "code": "123456"}]
        }
    )

    ticket: Ticket
    method: SecondFactor
    code: Code | None = Field(None, description="For totp and recovery_code")
    credential: Credential | None = Field(None, description="For passkey")


@area.post(
    "/api/auth/second-factor", tag="Auth", access=Access.PUBLIC, errors=(Unauthorized, Forbidden, TooManyRequests)
)
async def complete_second_step(body: SecondStepRequest) -> SignedIn:
    """Complete the second step

    With the ticket that the first step answered. A ticket bears a few wrong tries."""
    return await use_cases().second_step.complete(
        body.ticket, body.method, caller(), code=body.code, credential=body.credential
    )


@area.post("/api/users/{id}/reset-second-factors", tag="Users", access=Access.ADMIN, status=204, errors=(NotFound,))
async def reset_second_factors(viewer: Viewer, id: Id) -> None:
    """Reset second factors

    For somebody who lost theirs: takes away the authenticator app, the passkeys and the recovery codes, and ends their
    sessions. Whoever had passkeys only needs a password reset link beside."""
    await use_cases().second_factors.reset_of(viewer, UserId(id), caller())
