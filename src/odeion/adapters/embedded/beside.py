"""Finding the bundled servers of a data directory that run already, for commands beside them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from odeion.adapters.embedded import postgres, valkey


def find_running_postgres(data_dir: Path) -> str | None:
    """The SQLAlchemy URL; None if none runs."""
    return postgres.find_running(data_dir)


def find_running_valkey(data_dir: Path) -> str | None:
    """The Redis URL; None if none runs. Both servers keep their sockets in one folder."""
    url = postgres.find_running(data_dir)
    if url is None:
        return None
    socket = Path(parse_qs(urlsplit(url).query)["host"][0]) / valkey.SOCKET_NAME
    return f"unix://{quote(str(socket), safe='/')}" if socket.exists() else None
