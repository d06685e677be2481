"""Sign-in providers: signing in and up through them, linking them, and setting them up."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import ConfigDict, Field, StringConstraints
from quart import Response, after_this_request, redirect, request
from quart.typing import ResponseTypes

from odeion.application.identity.oauth import LinkedIdentities, OAuthStart, SignupRequired
from odeion.application.identity.oauth_settings import EnabledProviders, OAuthSettingsView, ProviderTest
from odeion.application.identity.sign_in import SecondFactorRequired, SignedIn
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.oauth import MAX_PROVIDERS, Provider, ProviderKind
from odeion.domain.shared.errors import BadRequest, Conflict, Forbidden, NotFound, TooManyRequests, Unauthorized
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.endpoint import Area
from odeion.entrypoints.http.models import Query, Request, Username
from odeion.entrypoints.http.security import caller

area = Area("oauth")

_COOKIE = "odeion_oauth"
_COOKIE_PATH = "/api/auth/oauth"
_COOKIE_LIFETIME_S = 15 * 60

ProviderKey = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[a-z0-9-]+$")]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_-]+$")]
# What providers and invites make; anything a browser or a person may send along.
Opaque = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300, pattern=r"^[^\x00-\x1f]*$")
]
InviteCode = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
ReturnPath = Annotated[str, StringConstraints(min_length=1, max_length=500)]
IdentityToken = Annotated[str, StringConstraints(min_length=1, max_length=16_384)]

Exchanged = Annotated[SignedIn | SecondFactorRequired | SignupRequired, Field(discriminator="kind")]


@area.get("/api/auth/oauth/providers", tag="Auth", access=Access.PUBLIC)
async def list_oauth_providers() -> EnabledProviders:
    """List enabled OAuth providers

    Returns the list of OAuth providers the admin has enabled, so the login UI can render a provider button row."""
    return await use_cases().oauth_settings.list_enabled()


class OAuthStartRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"provider": "google", "return_path": "/films"}]})

    provider: ProviderKey
    return_path: ReturnPath = Field("/", description="A path of the web app to come back to")
    invite_code: InviteCode | None = Field(None, description="Handed back where the identity turns out to be new")


@area.post("/api/auth/oauth/start", tag="Auth", access=Access.PUBLIC, errors=(NotFound, Conflict))
async def start_oauth(body: OAuthStartRequest) -> OAuthStart:
    """Start an OAuth flow

    Creates a pending OAuth state and returns the provider's authorize URL. Send the browser there: only the one that
    got this answer, with its cookie, can finish. It comes back to `/oauth` of the web app, with `return` and either a
    `code` for the exchange or an `error`: cancelled, expired, provider_failed."""
    started, browser = await use_cases().oauth.start(
        body.provider, return_path=body.return_path, invite_code=body.invite_code
    )
    _remember(browser)
    return started


class OAuthLinkRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"provider": "google", "return_path": "/account"}]})

    provider: ProviderKey
    return_path: ReturnPath = Field("/", description="A path of the web app to come back to")


@area.post("/api/auth/oauth/link/start", tag="Auth", access=Access.VIEWER, errors=(NotFound, Conflict))
async def start_oauth_link(viewer: Viewer, body: OAuthLinkRequest) -> OAuthStart:
    """Start OAuth account link

    Starts an OAuth flow bound to the authenticated user so the callback links an identity instead of logging in. It
    comes back to `/oauth` of the web app with `linked`, or with an `error`, which may also be signed_out,
    linked_elsewhere or another_linked."""
    started, browser = await use_cases().oauth.start_link(viewer, body.provider, return_path=body.return_path)
    _remember(browser)
    return started


class CallbackQuery(Query):
    state: Opaque | None = Field(None, description="As it was sent to the provider")
    code: Opaque | None = Field(None, description="What the provider wants exchanged")
    error: Opaque | None = Field(None, description="Why there is no code")
    iss: Opaque | None = Field(None, description="The issuer, where it names itself")


@area.get("/api/auth/oauth/callback/{provider}", tag="Auth", access=Access.PUBLIC, status=303)
async def finish_oauth(provider: ProviderKey, query: CallbackQuery) -> Response:
    """Finish an OAuth flow

    Where providers send browsers back to; leads on to the web app."""
    path = await use_cases().oauth.finish(
        provider,
        state=query.state or "",
        code=query.code,
        error=query.error,
        issuer=query.iss,
        browser=_browser(),
        caller=caller(),
    )
    return _see(path)


@area.post("/api/auth/oauth/callback/{provider}", tag="Auth", access=Access.PUBLIC, status=303)
async def forward_oauth_form(provider: ProviderKey) -> Response:
    """Forward an OAuth form

    Apple's answer is a form sent from its site, with which browsers send no cookie of ours: it leads to the same
    address by GET, with which they do."""
    form = await request.form
    answer = {name: form[name] for name in ("state", "code", "error", "iss") if name in form}
    return _see(f"{request.path}?{urlencode(answer)}")


class OAuthExchangeRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "q9J0c1yq4L0cX5Jm2Yc0bS9o7rW8tU6v"}]})

    code: Secret


@area.post("/api/auth/oauth/exchange", tag="Auth", access=Access.PUBLIC, errors=(Unauthorized, Forbidden))
async def exchange_oauth_code(body: OAuthExchangeRequest) -> Exchanged:
    """Exchange an OAuth code

    Trades a one-time exchange code for a session JWT, or returns pending-signup details if the provider identity is
    new. Where the account has second factors, it answers the ticket for the second step instead. Only the browser that
    the flow was begun in can do this."""
    return await use_cases().oauth.exchange(body.code, browser=_browser(), caller=caller())


class OAuthRegisterRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "signup_token": "q9J0c1yq4L0cX5Jm2Yc0bS9o7rW8tU6v",
                    "invite_code": "7KQ4-M2XD-9FWT",
                    "username": "theo",
                }
            ]
        }
    )

    signup_token: Secret
    invite_code: InviteCode
    username: Username


@area.post(
    "/api/auth/oauth/register",
    tag="Auth",
    access=Access.PUBLIC,
    status=201,
    errors=(Unauthorized, Forbidden, Conflict, TooManyRequests),
)
async def register_with_oauth(body: OAuthRegisterRequest) -> SignedIn:
    """Complete OAuth signup

    Redeems an invite code to create a new account linked to the provider identity captured during the flow."""
    return await use_cases().oauth.register(
        body.signup_token, invite_code=body.invite_code, username=body.username, caller=caller()
    )


class AppleNativeRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"identity_token": "eyJraWQi...", "nonce": "b1d2c9a0e5f64718a3c2"}]}
    )

    identity_token: IdentityToken
    nonce: Annotated[str, StringConstraints(min_length=16, max_length=200)] = Field(
        description="Random text made for this sign-in, of which Apple was given the SHA-256 in hexadecimal digits"
    )


@area.post("/api/auth/oauth/apple/native", tag="Auth", access=Access.PUBLIC, errors=(Unauthorized, Forbidden, NotFound))
async def sign_in_with_apple(body: AppleNativeRequest) -> Exchanged:
    """Apple native sign-in

    Verifies an identity_token from Apple's native iOS sign-in sheet. Answers as the exchange of an OAuth code does."""
    return await use_cases().oauth.sign_in_native(body.identity_token, nonce=body.nonce, caller=caller())


@area.post(
    "/api/auth/oauth/apple/native/link",
    tag="Auth",
    access=Access.VIEWER,
    status=204,
    errors=(Unauthorized, NotFound, Conflict),
)
async def link_apple(viewer: Viewer, body: AppleNativeRequest) -> None:
    """Link Apple identity (native)

    Verify an Apple identity_token and attach it to the authenticated user."""
    await use_cases().oauth.link_native(viewer, body.identity_token, nonce=body.nonce, caller=caller())


@area.get("/api/auth/oauth/identities", tag="Auth", access=Access.VIEWER)
async def list_oauth_identities(viewer: Viewer) -> LinkedIdentities:
    """List linked OAuth identities

    Those of the authenticated user, oldest first."""
    return await use_cases().oauth.list_own(viewer)


@area.delete(
    "/api/auth/oauth/identities/{provider}", tag="Auth", access=Access.VIEWER, status=204, errors=(NotFound, Conflict)
)
async def unlink_oauth_identity(viewer: Viewer, provider: ProviderKey) -> None:
    """Unlink an OAuth identity

    Refused for the only way to sign in."""
    await use_cases().oauth.unlink(viewer, provider, caller())


class ProviderSettings(Request):
    """`client_secret` left out keeps the one that is stored, as long as issuer and client stay the same. For Apple it
    is the private key (PEM); GitHub, Discord and Google need one, an OIDC issuer may do without. `key` is the kind, and
    for OIDC any name: it is part of the redirect URI."""

    key: ProviderKey
    kind: ProviderKind
    display_name: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[^\x00-\x1f]*$")
    ]
    enabled: bool = True
    client_id: Line | Literal[""] = ""
    client_secret: Annotated[str, StringConstraints(min_length=1, max_length=8192, pattern=r"^[^\x00]*$")] | None = None
    issuer: Line | None = Field(None, description="The address of an OIDC issuer")
    team_id: Line | None = Field(None, description="Of an Apple developer account")
    key_id: Line | None = Field(None, description="Of the private key for Apple")
    native_client_ids: Annotated[list[Line], Field(max_length=20)] = Field([], description="Bundle ids of native apps")
    allow_private_network: bool = Field(False, description="Whether the issuer's host may be on the local network")

    def provider(self) -> tuple[Provider, str | None]:
        """And its secret, where one was sent."""
        fields = self.model_dump(exclude={"client_secret", "native_client_ids"})
        return Provider(**fields, native_client_ids=tuple(self.native_client_ids)), self.client_secret


class OAuthSettingsRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "providers": [
                        {
                            "key": "home",
                            "kind": "oidc",
                            "display_name": "Home",
                            "client_id": "odeion",
                            "client_secret": "correct horse",
                            "issuer": "https://id.example.org",
                        }
                    ]
                }
            ]
        }
    )

    providers: Annotated[list[ProviderSettings], Field(max_length=MAX_PROVIDERS)]


@area.get("/api/admin/settings/oauth", tag="Admin", access=Access.ADMIN)
async def get_oauth_settings(viewer: Viewer) -> OAuthSettingsView:
    """Get OAuth provider settings

    All providers that were entered, without their secrets."""
    return await use_cases().oauth_settings.get(viewer)


@area.put("/api/admin/settings/oauth", tag="Admin", access=Access.ADMIN)
async def update_oauth_settings(viewer: Viewer, body: OAuthSettingsRequest) -> OAuthSettingsView:
    """Update OAuth provider settings

    Sets the whole list: a provider that is left out is forgotten. Identities linked to it stay, and lead in again once
    it is back."""
    return await use_cases().oauth_settings.put(viewer, [entry.provider() for entry in body.providers], caller())


@area.post("/api/admin/settings/oauth/{provider}/test", tag="Admin", access=Access.ADMIN, errors=(NotFound,))
async def test_oauth_provider(viewer: Viewer, provider: ProviderKey) -> ProviderTest:
    """Test OAuth provider configuration

    Lightweight sanity check - verifies required fields are set and the provider's public endpoint is reachable. Does
    not perform a full sign-in round-trip."""
    return await use_cases().oauth_settings.test(viewer, provider)


def _remember(browser: str) -> None:
    """Give the browser a secret that ties a flow to it."""

    @after_this_request
    async def set_cookie(response: ResponseTypes) -> ResponseTypes:
        response.set_cookie(
            _COOKIE,
            browser,
            max_age=_COOKIE_LIFETIME_S,
            path=_COOKIE_PATH,
            secure=use_cases().oauth.is_secure,
            httponly=True,
            samesite="Lax",
        )
        return response


def _browser() -> str:
    return request.cookies.get(_COOKIE, "")


def _see(path: str) -> Response:
    """Always beneath our own origin: the path begins with one slash."""
    if not path.startswith("/") or path.startswith("//"):
        raise BadRequest("not an address of ours")
    response = redirect(path, 303)
    assert isinstance(response, Response)
    return response
