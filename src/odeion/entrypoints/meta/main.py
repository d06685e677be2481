"""The metadata service's process."""

from __future__ import annotations

import uvloop

from odeion.entrypoints.logging import configure_logging
from odeion.entrypoints.meta.app import create_meta_app
from odeion.entrypoints.serving import serve_app, stop_requested
from odeion.entrypoints.settings import Settings

DEFAULT_PORT = 8097


def run(settings: Settings, *, port: int | None) -> None:
    """Serve until SIGTERM or SIGINT."""
    configure_logging(settings.log_level)
    uvloop.run(_serve(settings.host, port or DEFAULT_PORT))


async def _serve(host: str, port: int) -> None:
    await serve_app(create_meta_app(), host=host, port=port, stopping=stop_requested())
