"""What the server says of itself."""

from __future__ import annotations

from odeion.application.system.facts import HealthView, LicenseList, VersionView
from odeion.domain.shared.errors import Unavailable
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.endpoint import Area

area = Area("system")


@area.get("/api/system/version", tag="System", access=Access.PUBLIC)
async def get_version() -> VersionView:
    """Get version

    Returns the server version, commit hash, and build time."""
    return use_cases().system.version()


@area.get("/api/system/licenses", tag="System", access=Access.PUBLIC)
async def get_licenses() -> LicenseList:
    """Get open source licenses

    Returns the list of open source licenses used by the server."""
    return use_cases().system.licenses()


@area.get("/health/live", tag="System", access=Access.PUBLIC)
async def check_liveness() -> HealthView:
    """Liveness probe

    Answers as long as the process serves requests at all; it asks nothing else."""
    return HealthView(status="ok", checks=[])


@area.get("/health/ready", tag="System", access=Access.PUBLIC, errors=(Unavailable,))
async def check_readiness() -> HealthView:
    """Readiness probe

    Answers 200 while the database can be reached, else 503 with what is away."""
    health = await use_cases().system.readiness()
    if health.status != "ok":
        raise Unavailable("; ".join(f"{c.name}: {c.message}" for c in health.checks if not c.ok), retry_after_s=2)
    return health
