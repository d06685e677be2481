"""The OpenAPI document: valid, complete as far as it is built, and bounded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.app import AREAS, openapi_document
from odeion.entrypoints.http.endpoint import snake_case
from odeion.entrypoints.meta.app import meta_document
from tests.harness import Harness

LIST: list[dict[str, Any]] = json.loads(Path(__file__).with_name("endpoints.json").read_text())
DOCUMENT: dict[str, Any] = json.loads(json.dumps(openapi_document()))

# What is built. An operation of these must be as listed, and nothing of the list may appear half-built.
BUILT_TAGS = {
    "Files",
    "API Keys",
    "Auth",
    "Users",
    "Invites",
    "Transcoding",
    "Libraries",
    "Movies",
    "Progress",
    "Filesystem",
    "App",
}
BUILT = {
    ("GET", "/api/series"),
    ("GET", "/api/series/{id}"),
    ("GET", "/api/series/{id}/seasons/{seasonNumber}"),
    ("PUT", "/api/series/{id}/metadata"),
    ("GET", "/api/episodes/{id}"),
    ("GET", "/api/episodes/{id}/next"),
    ("GET", "/api/admin/settings/paths"),
    ("PUT", "/api/admin/settings/paths"),
    ("GET", "/api/admin/settings/oauth"),
    ("PUT", "/api/admin/settings/oauth"),
    ("POST", "/api/admin/settings/oauth/{provider}/test"),
    ("GET", "/api/settings"),
    ("PUT", "/api/settings"),
    ("POST", "/api/playback/sessions"),
    ("GET", "/api/playback/{type}/{id}/info"),
    ("GET", "/api/playback/{type}/{id}/profiles"),
    ("POST", "/api/playback/{type}/{id}/heartbeat"),
    ("DELETE", "/api/playback/{type}/{id}/session"),
    ("POST", "/api/playback/{type}/{id}/download-url"),
    ("POST", "/api/playback/{type}/{id}/download-url/{profile}"),
    ("GET", "/api/playback/{type}/{id}/transcode/{profile}"),
    ("GET", "/api/admin/playback-sessions"),
    ("GET", "/api/admin/playback-sessions/{id}"),
    ("GET", "/api/admin/playback-sessions/{id}/export"),
    ("POST", "/api/admin/playback-sessions/{id}/terminate"),
    ("GET", "/api/admin/users/{id}/playback-sessions"),
    ("GET", "/api/admin/media/{type}/{id}/playback-sessions"),
    ("GET", "/api/system/version"),
    ("GET", "/api/system/licenses"),
}


# These answer with events or with files.
NOT_JSON = ("/api/events", "/api/ws", "/api/files", "/api/playback/{type}/{id}/transcode/{profile}")


def built() -> list[dict[str, Any]]:
    return [e for e in LIST if (e["method"], e["path"]) in BUILT or set(e["tags"]) & BUILT_TAGS]


def operation(entry: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][entry["path"]][entry["method"].lower()]
    return found


@pytest.mark.parametrize("document", [openapi_document, meta_document])
def test_is_valid(document: Any) -> None:
    assert not list(OpenAPIV31SpecValidator(json.loads(json.dumps(document()))).iter_errors())


@pytest.mark.parametrize("entry", built(), ids=lambda e: f"{e['method']} {e['path']}")
class TestBuiltOperation:
    def test_is_as_listed(self, entry: dict[str, Any]) -> None:
        found = operation(entry)
        assert set(entry["tags"]) & set(found["tags"])
        if entry["success"]:
            assert str(entry["success"]) in found["responses"]
        public = found.get("security", DOCUMENT["security"]) == []
        assert public is not entry["auth"]
        if entry["role"] in {"curator", "moderator", "admin"}:
            assert found["x-role"] == entry["role"]

    def test_says_what_it_answers(self, entry: dict[str, Any]) -> None:
        found = operation(entry)
        assert found["summary"] and found["operationId"]
        if entry["success"] in (200, 201, 202) and entry["path"] not in NOT_JSON:
            content = found["responses"][str(entry["success"])]["content"]
            assert content["application/json"]["schema"]


def test_operation_ids_are_unique() -> None:
    ids = [op["operationId"] for item in DOCUMENT["paths"].values() for op in item.values()]
    assert len(ids) == len(set(ids))


async def test_every_route_is_declared_with_access(harness: Harness) -> None:
    """Nothing can be reached that does not say who may: the URL map holds the declared endpoints and a fixed few."""
    declared = {
        (endpoint.method, "/".join(_segment(part) for part in endpoint.path.split("/")))
        for area in AREAS
        for endpoint in area.endpoints
        if isinstance(endpoint.access, Access)
    }
    beside = {("GET", "/openapi.json"), ("GET", "/api/ws"), ("OPTIONS", "/api/ws")}
    routed = {
        (method, "/".join(_segment(part) for part in rule.rule.split("/")))
        for rule in harness.app.url_map.iter_rules()
        for method in (rule.methods or {"GET"}) - {"HEAD"}
    }
    assert routed == declared | beside


def _segment(part: str) -> str:
    return part.replace("<", "{").replace(">", "}")


def test_public_routes_are_a_fixed_few() -> None:
    public = {(e.method, e.path) for area in AREAS for e in area.endpoints if e.access is Access.PUBLIC}
    assert public == {
        ("GET", "/api/system/version"),
        ("GET", "/api/system/licenses"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("POST", "/api/auth/login"),
        ("POST", "/api/auth/second-factor"),
        ("POST", "/api/auth/second-factor/passkey-options"),
        ("POST", "/api/auth/passkeys/options"),
        ("POST", "/api/auth/passkeys/login"),
        ("GET", "/api/auth/oauth/providers"),
        ("POST", "/api/auth/oauth/start"),
        ("GET", "/api/auth/oauth/callback/{provider}"),
        ("POST", "/api/auth/oauth/callback/{provider}"),
        ("POST", "/api/auth/oauth/exchange"),
        ("POST", "/api/auth/oauth/register"),
        ("POST", "/api/auth/oauth/apple/native"),
        ("POST", "/api/auth/register"),
        ("POST", "/api/auth/reset-password"),
        ("POST", "/api/auth/device-login"),
        ("GET", "/api/setup"),
        ("POST", "/api/setup"),
    }


def test_every_text_that_comes_in_is_bounded() -> None:
    loose = []
    for path, item in DOCUMENT["paths"].items():
        for method, found in item.items():
            incoming = [(p["name"], p["schema"]) for p in found.get("parameters", [])]
            if "requestBody" in found:
                incoming.append(("body", found["requestBody"]["content"]["application/json"]["schema"]))
            loose += [f"{method} {path} {where}" for name, schema in incoming for where in _loose(schema, name)]
    assert not loose


def _loose(schema: Any, where: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", []):
        yield from _loose(choice, where)
    kind = schema.get("type")
    if kind == "string" and not ({"maxLength", "enum", "const", "format"} & set(schema)):
        yield where
    if kind == "array":
        if "maxItems" not in schema:
            yield f"{where}[]"
        yield from _loose(schema["items"], f"{where}[]")
    for name, value in schema.get("properties", {}).items():
        yield from _loose(value, f"{where}.{name}")


@pytest.mark.parametrize(
    "path", [p for p, item in DOCUMENT["paths"].items() for op in item.values() if "requestBody" in op]
)
def test_every_body_has_an_example(path: str) -> None:
    for found in DOCUMENT["paths"][path].values():
        if "requestBody" in found:
            reference = found["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            assert DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]].get("examples")


def test_path_parameters_become_snake_case() -> None:
    assert snake_case("seasonNumber") == "season_number"


def test_the_web_app_is_typed_from_this_document() -> None:
    """After a change: `odeion openapi > web/openapi.json`, then `npm run types` in `web`."""
    kept = Path(__file__).resolve().parents[3] / "web" / "openapi.json"
    assert json.loads(kept.read_text()) == DOCUMENT
