"""Where a request comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A text of the client's own, and its address as a trusted proxy reports it. `device_name` is what a person called
    the device, where one did."""

    user_agent: str
    address: str
    device_name: str | None = None


OPERATOR = Caller(user_agent="command line", address="local")
