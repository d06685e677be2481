"""What the server says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from odeion.domain.shared.errors import OdeionError


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView:
    """`commit` and `build_time` are null where the server does not run from a build that knows them."""

    version: str
    commit: str | None
    build_time: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseView:
    """A part of the server and its licence; `text` is the licence as the part ships it, null where it ships none."""

    name: str
    version: str
    license: str
    url: str | None
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseList:
    items: list[LicenseView]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckView:
    """`message` says what is wrong; null when nothing is."""

    name: str
    ok: bool
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthView:
    """`status` is ok or unavailable."""

    status: str
    checks: list[CheckView]


class InstalledParts(Protocol):
    def version(self) -> VersionView: ...

    def licenses(self) -> LicenseList: ...


class HealthCheck(Protocol):
    name: str

    async def __call__(self) -> None:
        """Raises an OdeionError that says what is wrong."""


class SystemFacts:
    def __init__(self, parts: InstalledParts, checks: Sequence[HealthCheck]) -> None:
        self._parts = parts
        self._checks = checks

    def version(self) -> VersionView:
        return self._parts.version()

    def licenses(self) -> LicenseList:
        return self._parts.licenses()

    async def readiness(self) -> HealthView:
        """Whether requests can be served now."""
        results = []
        for check in self._checks:
            try:
                await check()
            except OdeionError as error:
                results.append(CheckView(name=check.name, ok=False, message=error.message))
            else:
                results.append(CheckView(name=check.name, ok=True, message=None))
        ok = all(result.ok for result in results)
        return HealthView(status="ok" if ok else "unavailable", checks=results)
