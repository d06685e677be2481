"""Signing in, and the first set-up."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from odeion.application.identity.first_run import SetupState
from odeion.application.identity.sign_in import SecondFactorRequired, SignedIn
from odeion.domain.shared.errors import Conflict, Forbidden, TooManyRequests, Unauthorized
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.endpoint import Area
from odeion.entrypoints.http.models import Password, Request, Username
from odeion.entrypoints.http.security import bearer_token, caller

area = Area("identity")


class LoginRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"username": "mira", "password": "correct horse"}]})

    username: Username
    password: Password


@area.post("/api/auth/login", tag="Auth", access=Access.PUBLIC, errors=(Unauthorized, Forbidden, TooManyRequests))
async def login(body: LoginRequest) -> Annotated[SignedIn | SecondFactorRequired, Field(discriminator="kind")]:
    """Log in

    Authenticate with username and password. Returns a JWT token, the refresh token that gets the next one, and the user
    profile; for an account with second factors, a ticket for the second step instead."""
    return await use_cases().sign_in.login(body.username, body.password, caller())


@area.post("/api/auth/refresh", tag="Auth", access=Access.REFRESH, errors=(Forbidden,))
async def refresh_token() -> SignedIn:
    """Refresh token

    Generate a new JWT token with extended expiry. The bearer is the refresh token that came with the last one. Each is
    good for one use: the answer brings the next, and a second use ends the session."""
    return await use_cases().sign_in.refresh(bearer_token(), caller())


@area.get("/api/setup", tag="Setup", access=Access.PUBLIC)
async def get_setup_state() -> SetupState:
    """Get set-up state

    Whether the first administrator was made already."""
    return await use_cases().first_run.state()


class SetupRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"code": "7KQ4-M2XD", "username": "mira", "password": "correct horse"}]}
    )

    code: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        description="The one-time code that the server printed at its start"
    )
    username: Username
    password: Password


@area.post("/api/setup", tag="Setup", access=Access.PUBLIC, status=201, errors=(Forbidden, Conflict, TooManyRequests))
async def complete_setup(body: SetupRequest) -> SignedIn:
    """Complete set-up

    Makes the first administrator with the printed code, and signs them in."""
    return await use_cases().first_run.complete(
        code=body.code, username=body.username, password=body.password, caller=caller()
    )
