"""What is installed: our own build, and the packages it stands on."""

from __future__ import annotations

import functools
import subprocess
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import cast

from odeion import __version__
from odeion.application.system.facts import LicenseList, LicenseView, VersionView


class InstalledDistributions:
    """Licences come from the metadata of the installed packages."""

    @functools.cached_property
    def _version(self) -> VersionView:
        checkout = Path(__file__).resolve().parents[4]
        commit = build_time = None
        if (checkout / ".git").exists():
            try:
                answer = subprocess.run(
                    ["git", "log", "-1", "--format=%H %cI"],  # noqa: S607
                    cwd=checkout,
                    capture_output=True,
                    text=True,
                    timeout=5,
                    check=True,
                )
                commit, build_time = answer.stdout.split()
            except (OSError, subprocess.SubprocessError, ValueError):
                # No git, or not its checkout: the version number is all there is to say.
                commit = build_time = None
        return VersionView(version=__version__, commit=commit, build_time=build_time)

    def version(self) -> VersionView:
        return self._version

    @functools.cached_property
    def _licenses(self) -> LicenseList:
        found = {view.name.casefold(): view for view in map(_license, metadata.distributions()) if view is not None}
        return LicenseList(items=[found[name] for name in sorted(found)])

    def licenses(self) -> LicenseList:
        return self._licenses


def _license(distribution: metadata.Distribution) -> LicenseView | None:
    fields = cast(Message, distribution.metadata)
    name = fields.get("Name")
    if not name or name == "odeion":
        return None
    classifiers = [
        classifier.rpartition(" :: ")[2]
        for classifier in fields.get_all("Classifier") or []
        if classifier.startswith("License ::")
    ]
    stated = fields.get("License-Expression") or (fields.get("License") or "").strip().split("\n")[0]
    urls = [url.partition(",")[2].strip() for url in fields.get_all("Project-URL") or []]
    return LicenseView(
        name=name,
        version=distribution.version,
        license=(stated if stated and len(stated) <= 120 else None) or ", ".join(classifiers) or "see its text",
        url=fields.get("Home-page") or next(iter(urls), None),
        text=_license_text(distribution),
    )


def _license_text(distribution: metadata.Distribution) -> str | None:
    for file in distribution.files or []:
        if file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING")):
            try:
                return file.read_text()
            except (OSError, UnicodeDecodeError, AttributeError):
                continue
    return None
