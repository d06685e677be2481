"""The OpenAPI 3.1 document, made from the declared endpoints alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from odeion import __version__
from odeion.domain.shared.errors import (
    BadRequest,
    Forbidden,
    Invalid,
    OdeionError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.endpoint import Area, Endpoint
from odeion.entrypoints.http.errors import STATUS_BY_CODE

_ERROR_SCHEMA = {
    "type": "object",
    "description": "Every error leaves in this envelope.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "enum": list(STATUS_BY_CODE), "description": "For programs."},
                "message": {"type": "string", "description": "For people."},
                "fields": {
                    "type": "array",
                    "description": "Which values were refused, where that is known.",
                    "items": {
                        "type": "object",
                        "required": ["field", "message"],
                        "properties": {
                            "field": {"type": "string", "examples": ["body.paths.0"]},
                            "message": {"type": "string"},
                        },
                    },
                },
            },
        }
    },
    "examples": [{"error": {"code": "not_found", "message": "movie not found"}}],
}

_SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.PUBLIC: [],
    Access.STREAM: [],
    Access.SIGNED: [],
    Access.REFRESH: [{"refresh_token": []}],
}


def build_document(areas: Sequence[Area], *, title: str = "Odeion", description: str = "") -> dict[str, Any]:
    """Paths in the order of declaration; schemas by name under components."""
    endpoints = [endpoint for area in areas for endpoint in area.endpoints]
    schemas = _Schemas(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    tags = list(dict.fromkeys(endpoint.tag for endpoint in endpoints))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": __version__,
            "description": description
            or "A self-hosted media server. Every answer is JSON unless it says otherwise; errors share one envelope; "
            "lists are pages. Times are RFC 3339 in UTC, durations say their unit, ids are integers.",
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in tags],
        "security": [{"session_token": []}],
        "paths": paths,
        "components": {
            "schemas": {**schemas.definitions, "Error": _ERROR_SCHEMA},
            "securitySchemes": {
                "session_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A session token from `POST /api/auth/login`.",
                },
                "refresh_token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The refresh token that came with the session token; good for one use.",
                },
                "api_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key (`odn_...`) with the scope in `x-scope`.",
                },
            },
        },
    }


class _Schemas:
    """All schemas at once, so that equal names of different models are told apart by pydantic."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        inputs: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = []
        for endpoint in endpoints:
            key = f"{endpoint.method} {endpoint.path}"
            if endpoint.body is not None:
                inputs.append((f"{key} body", "validation", TypeAdapter(endpoint.body)))
            if endpoint.answer is not None:
                inputs.append((f"{key} answer", "serialization", endpoint.answer))
        by_key, document = TypeAdapter.json_schemas(inputs, ref_template="#/components/schemas/{model}")
        self.by_key = {key: schema for (key, _), schema in by_key.items()}
        self.definitions: dict[str, Any] = document.get("$defs", {})


def _operation(endpoint: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    key = f"{endpoint.method} {endpoint.path}"
    operation: dict[str, Any] = {
        "operationId": endpoint.operation_id,
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "x-role": endpoint.access.value,
        "responses": _responses(endpoint, schemas, key),
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    if endpoint.scope:
        operation["x-scope"] = endpoint.scope
    if endpoint.access in _SECURITY:
        operation["security"] = _SECURITY[endpoint.access]
    elif endpoint.scope:
        operation["security"] = [{"session_token": []}, {"api_key": []}]
    if parameters := [*_path_parameters(endpoint), *_query_parameters(endpoint.query)]:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": not endpoint.body_optional,
            "content": {"application/json": {"schema": schemas.by_key[f"{key} body"]}},
        }
    return operation


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _inline(adapter.json_schema())}
        for name, adapter in endpoint.path_parameters.values()
    ]


def _query_parameters(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema()
    required = set(schema.get("required", []))
    parameters = []
    for name, property_schema in schema["properties"].items():
        plain = {k: v for k, v in _inline(property_schema, schema.get("$defs", {})).items() if k != "title"}
        parameter = {"name": name, "in": "query", "required": name in required, "schema": plain}
        if "description" in plain:
            parameter["description"] = plain.pop("description")
        parameters.append(parameter)
    return parameters


def _inline(schema: Any, definitions: dict[str, Any] | None = None) -> Any:
    """Put definitions in the place of references: parameters have small schemas of their own. `x | None` of an
    optional parameter becomes `x`, since null cannot be written in a URL."""
    if not isinstance(schema, dict):
        return [_inline(item, definitions) for item in schema] if isinstance(schema, list) else schema
    definitions = {**(definitions or {}), **schema.get("$defs", {})}
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        rest = {k: v for k, v in schema.items() if k != "$ref"}
        return _inline({**target, **rest}, definitions)
    inlined = {k: _inline(v, definitions) for k, v in schema.items() if k != "$defs"}
    if "anyOf" in inlined:
        choices = [choice for choice in inlined["anyOf"] if choice != {"type": "null"}]
        if len(choices) == 1:
            del inlined["anyOf"]
            inlined = {**choices[0], **inlined}
            if inlined.get("default", ...) is None:
                del inlined["default"]
    return inlined


def _responses(endpoint: Endpoint, schemas: _Schemas, key: str) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Success"}
    if endpoint.stream is not None:
        success["content"] = {media_type: {} for media_type in endpoint.stream.media_types}
    elif endpoint.answer is not None:
        content: dict[str, Any] = {"schema": schemas.by_key[f"{key} answer"]}
        if endpoint.example is not None:
            content["example"] = endpoint.example
        success["content"] = {"application/json": content}
    responses = {str(endpoint.status): success}
    by_status: dict[int, list[str]] = {}
    for error in _possible_errors(endpoint):
        by_status.setdefault(STATUS_BY_CODE[error.code], []).append((error.__doc__ or error.code).strip())
    for status, descriptions in sorted(by_status.items()):
        responses[str(status)] = {
            "description": " ".join(descriptions),
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    return responses


def _possible_errors(endpoint: Endpoint) -> list[type[OdeionError]]:
    possible: list[type[OdeionError]] = [*endpoint.errors, Unavailable]
    if endpoint.access is not Access.PUBLIC:
        possible.append(Unauthorized)
    if endpoint.access.role not in (None, "viewer"):
        possible.append(Forbidden)
    if endpoint.body is not None:
        possible.append(BadRequest)
    if endpoint.body is not None or endpoint.query is not None or endpoint.path_parameters:
        possible.append(Invalid)
    if endpoint.tag == "Auth":
        possible.append(TooManyRequests)
    return list(dict.fromkeys(possible))
