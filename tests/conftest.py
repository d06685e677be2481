"""For every test: nothing may talk to a machine but this one."""

from __future__ import annotations

import ipaddress
import sys
from typing import Any


def _refuse_the_outside(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect" and event != "socket.sendto":
        return
    address = arguments[1]
    if not isinstance(address, tuple) or not address:
        return
    host = str(address[0]).partition("%")[0]
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if not is_loopback:
        raise RuntimeError(f"a test tried to reach {address}")


sys.addaudithook(_refuse_the_outside)
