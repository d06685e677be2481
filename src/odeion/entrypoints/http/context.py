"""What request handlers reach through the app they run in."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from quart import Quart, current_app

from odeion.entrypoints.use_cases import UseCases

_EXTENSION = "odeion"


@dataclass(frozen=True, slots=True)
class Sendfile:
    """`header` tells a proxy to send the file whose path follows `prefix`."""

    header: str
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """`trusted_proxies` may set X-Forwarded-For. `web_root` is the built web app; None where there is none.
    `sendfile` says how trusted proxies send files themselves; None where this server does."""

    trusted_proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    web_root: Path | None = None
    sendfile: Sendfile | None = None


@dataclass(frozen=True, slots=True)
class AppContext:
    use_cases: UseCases
    settings: HttpSettings


def install_context(app: Quart, context: AppContext) -> None:
    app.extensions[_EXTENSION] = context


def use_cases() -> UseCases:
    return cast(AppContext, current_app.extensions[_EXTENSION]).use_cases


def http_settings() -> HttpSettings:
    return cast(AppContext, current_app.extensions[_EXTENSION]).settings
