"""The API process: hypercorn over the application."""

from __future__ import annotations

import asyncio
import signal

import hypercorn.asyncio
import hypercorn.config
import uvloop

from odeion.entrypoints.container import open_container, require_current_schema
from odeion.entrypoints.http.app import create_app
from odeion.entrypoints.http.context import AppContext, HttpSettings
from odeion.entrypoints.logging import configure_logging
from odeion.entrypoints.settings import Settings

_GRACE_S = 5.0


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with open_container(settings) as container:
        await require_current_schema(container.engine())
        app = create_app(
            AppContext(
                container.use_cases(),
                HttpSettings(trusted_proxies=settings.trusted_proxies, web_root=settings.web_files),
            )
        )
        config = hypercorn.config.Config()
        config.bind = [
            f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"
        ]
        config.graceful_timeout = _GRACE_S
        config.include_server_header = False
        config.accesslog = None
        config.errorlog = "-"
        config.loglevel = "WARNING"
        config.keep_alive_timeout = 75
        await hypercorn.asyncio.serve(app, config, shutdown_trigger=stopping.wait)


def run(settings: Settings) -> None:
    configure_logging(settings.log_level)
    uvloop.run(serve(settings))


if __name__ == "__main__":
    run(Settings())
