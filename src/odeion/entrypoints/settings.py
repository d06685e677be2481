"""What an operator may set: by environment (`ODEION_...`) or on the command line. Read once, at the start."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def in_container() -> bool:
    return Path("/.dockerenv").exists() or Path("/run/.containerenv").exists() or "container" in os.environ


def default_data_dir() -> Path:
    if in_container():
        return Path("/var/lib/odeion")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(base) / "odeion"


def default_cache_dir() -> Path:
    if in_container():
        return Path("/var/cache/odeion")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "odeion"


class Settings(BaseSettings):
    """All of the process's settings."""

    model_config = SettingsConfigDict(env_prefix="ODEION_", extra="ignore", frozen=True)

    host: str = Field(
        default_factory=lambda: "0.0.0.0" if in_container() else "127.0.0.1",  # noqa: S104
        description="Address to listen on: loopback, or every interface in a container.",
    )
    port: int = Field(8096, ge=1, le=65535, description="Port to listen on.")
    base_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#\s]+$",
        description="Address people reach the server at, as https://media.example.org: links, sign-in providers and "
        "passkeys use it. While it listens on loopback only, http://localhost with its port.",
    )
    data_dir: Path = Field(default_factory=default_data_dir, description="Where everything that must last is kept.")
    cache_dir: Path | None = Field(
        None, description="Where what may be lost is kept. Beside a data directory that was set, else the user's cache."
    )
    database_url: str | None = Field(
        None, description="postgresql://user:password@host/name of a server of your own; else the bundled one runs."
    )
    redis_url: str | None = Field(
        None, description="redis://host:6379/0 of a server of your own; else the bundled one."
    )
    setup_code: str | None = Field(
        None, min_length=8, max_length=64, description="Presets the one-time set-up code, for automation."
    )
    secret_key_file: Path | None = Field(
        None, description="32 bytes that sign session tokens; the same for all that share a database."
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        (), description="Comma-separated networks whose X-Forwarded-For is believed."
    )
    sendfile: Literal["none", "x-accel-redirect", "x-sendfile"] = Field(
        "none", description="Header by which a trusted proxy is told to send a file itself."
    )
    sendfile_prefix: str = Field(
        "/odeion-files", pattern="^/", description="Internal location of nginx that stands for the file system's root."
    )
    worker: bool = Field(True, description="Whether `serve` also runs a worker.")
    web_root: Path | None = Field(None, description="The built web app, if it is not beside the checkout.")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level that is logged.")
    database_pool_size: int = Field(10, ge=1, le=200, description="Connections per process.")
    probe_workers: int = Field(
        default_factory=lambda: os.cpu_count() or 2, ge=1, le=64, description="Files probed at once."
    )
    transcode_limit: int = Field(
        default_factory=lambda: max(2, os.cpu_count() or 2), ge=1, le=64, description="Encoders at once."
    )
    transcode_cache_mb: int = Field(10_000, ge=100, description="Room for transcoded segments, in MB.")

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("data_dir", "cache_dir", "web_root", "secret_key_file", mode="after")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().absolute() if value else None

    @property
    def public_url(self) -> str | None:
        """The base URL in use; None where it has to be set first."""
        if self.base_url is not None:
            return self.base_url
        return f"http://localhost:{self.port}" if self.host in ("127.0.0.1", "::1", "localhost") else None

    @property
    def caches(self) -> Path:
        """The cache directory in use."""
        if self.cache_dir is not None:
            return self.cache_dir
        is_default = self.data_dir == default_data_dir().absolute()
        return default_cache_dir() if is_default else self.data_dir.with_name(f"{self.data_dir.name}-cache")

    @property
    def web_files(self) -> Path | None:
        """The built web app: as set, in the package, or in the checkout this runs from; None where it is not built."""
        checkout = Path(__file__).resolve().parents[3] / "web" / "build"
        candidates = [self.web_root] if self.web_root else [Path(__file__).resolve().parents[1] / "web", checkout]
        return next((path for path in candidates if (path / "index.html").is_file()), None)

    def child_environment(self, **changes: str) -> dict[str, str]:
        """These settings as environment for a child process, with `changes`."""
        values = self.model_dump(mode="json", exclude_none=True, exclude={"trusted_proxies"})
        environment = {f"ODEION_{name.upper()}": str(value) for name, value in values.items()}
        environment["ODEION_TRUSTED_PROXIES"] = ",".join(str(network) for network in self.trusted_proxies)
        return {**environment, **changes}
