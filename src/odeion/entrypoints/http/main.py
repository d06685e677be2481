"""The API process: hypercorn over the application."""

from __future__ import annotations

import uvloop

from odeion.entrypoints.container import open_container, require_current_schema
from odeion.entrypoints.http.app import create_app
from odeion.entrypoints.http.context import AppContext, HttpSettings, Sendfile
from odeion.entrypoints.logging import configure_logging
from odeion.entrypoints.serving import serve_app, stop_requested
from odeion.entrypoints.settings import Settings


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping = stop_requested()
    async with open_container(settings) as container:
        await require_current_schema(container.engine())
        await container.use_cases().transcode_pools.ensure_default(settings.transcode_limit)
        app = create_app(
            AppContext(
                container.use_cases(),
                HttpSettings(
                    trusted_proxies=settings.trusted_proxies,
                    web_root=settings.web_files,
                    sendfile=_sendfile(settings),
                ),
            )
        )
        await serve_app(app, host=settings.host, port=settings.port, stopping=stopping)


def _sendfile(settings: Settings) -> Sendfile | None:
    match settings.sendfile:
        case "x-accel-redirect":
            return Sendfile("X-Accel-Redirect", settings.sendfile_prefix.rstrip("/"))
        case "x-sendfile":
            return Sendfile("X-Sendfile")
        case _:
            return None


def run(settings: Settings) -> None:
    configure_logging(settings.log_level)
    uvloop.run(serve(settings))


if __name__ == "__main__":
    run(Settings())
