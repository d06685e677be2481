"""What every process of ours does alike: run until it is told to stop, and serve an application until then."""

from __future__ import annotations

import asyncio
import signal

import hypercorn.asyncio
import hypercorn.config
from quart import Quart

# Requests under way get this long to finish.
_GRACE_S = 5.0
_KEEP_ALIVE_S = 75


def stop_requested() -> asyncio.Event:
    """Set by SIGTERM or SIGINT from now on. Call it in the running loop of the main thread."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def serve_app(app: Quart, *, host: str, port: int, stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set."""
    config = hypercorn.config.Config()
    config.bind = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    config.graceful_timeout = _GRACE_S
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = "-"
    config.loglevel = "WARNING"
    config.keep_alive_timeout = _KEEP_ALIVE_S
    await hypercorn.asyncio.serve(app, config, shutdown_trigger=stopping.wait)
