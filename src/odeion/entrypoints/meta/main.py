"""The metadata service's process."""

from __future__ import annotations

import asyncio
import signal

import hypercorn.asyncio
import hypercorn.config
import uvloop

from odeion.entrypoints.logging import configure_logging
from odeion.entrypoints.meta.app import create_meta_app
from odeion.entrypoints.settings import Settings

DEFAULT_PORT = 8097


def run(settings: Settings, *, port: int | None) -> None:
    """Serve until SIGTERM or SIGINT."""
    configure_logging(settings.log_level)
    uvloop.run(_serve(settings.host, port or DEFAULT_PORT))


async def _serve(host: str, port: int) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    config = hypercorn.config.Config()
    config.bind = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    config.include_server_header = False
    await hypercorn.asyncio.serve(create_meta_app(), config, shutdown_trigger=stopping.wait)
