"""Secrets do not get into logs."""

from __future__ import annotations

import pytest

from odeion.entrypoints.logging import redact


@pytest.mark.parametrize("key", ["password", "refresh_token", "Authorization", "setup_code", "client_secret"])
def test_values_of_secret_names(key: str) -> None:
    assert redact(None, "", {key: "hunter2"}) == {key: "[redacted]"}


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/events?token=CANARY&x=1",
        "GET /api/files?token=eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOjF9.CANARY HTTP/1.1",
        "GET /api/playback/streams/CANARYCANARYCANARY/file",
        "bearer odn_canaryaaaaaaaaaaaaaaaaaaaaaaa",
        "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOjF9.CANARY",
        "postgresql://odeion:CANARY@db/odeion",
    ],
)
def test_secrets_inside_texts(text: str) -> None:
    shown = redact(None, "", {"event": text})["event"]
    assert "canary" not in shown.lower()
    assert "[redacted]" in shown


def test_the_rest_stays() -> None:
    assert redact(None, "", {"event": "scan of /films began", "files": 3}) == {
        "event": "scan of /films began",
        "files": 3,
    }
