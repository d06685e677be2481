"""Where people reach this server from outside."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from odeion.domain.shared.errors import Conflict


@dataclass(frozen=True, slots=True)
class Links:
    """`base_url` is the one the operator configured, without a slash at the end; what a request says of its host is
    never believed."""

    base_url: str | None

    @property
    def origin(self) -> str:
        """As browsers write it: small letters, no port where it is the usual one. Raises Conflict as `to`."""
        parts = urlsplit(self.to(""))
        usual = {"http": 80, "https": 443}[parts.scheme]
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, usual) else "")

    @property
    def host(self) -> str:
        """Raises Conflict as `to`."""
        return urlsplit(self.to("")).hostname or ""

    def to(self, path: str) -> str:
        """An absolute link to a path of ours. Raises Conflict while there is no base URL."""
        if self.base_url is None:
            raise Conflict("set the server's base URL first (ODEION_BASE_URL): links are made from it alone")
        return self.base_url + path
