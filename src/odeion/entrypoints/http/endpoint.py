"""The route decorator: binds what was sent, asks who may, answers JSON, and writes the OpenAPI entry."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError
from quart import Blueprint, Response, request

from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.api_keys import Scope
from odeion.domain.shared.errors import BadRequest, OdeionError
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.errors import invalid_from
from odeion.entrypoints.http.security import require_viewer

Handler = Callable[..., Awaitable[Any]]

_PATH_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Stream:
    """Says that a route answers bytes of these media types instead of JSON."""

    media_types: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A declared route. `path` is as in the OpenAPI document; `path_parameters` maps its names to adapters."""

    method: str
    path: str
    tag: str
    access: Access
    scope: Scope | None
    status: int
    errors: tuple[type[OdeionError], ...]
    handler: Handler
    summary: str
    description: str
    path_parameters: dict[str, tuple[str, TypeAdapter[Any]]]
    query: type[BaseModel] | None
    body: type[BaseModel] | None
    body_optional: bool
    takes_viewer: bool
    answer: TypeAdapter[Any] | None
    stream: Stream | None
    example: Any = None

    @property
    def operation_id(self) -> str:
        return self.handler.__name__


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


@dataclass(slots=True)
class Area:
    """The routes of one area; registered with the app as a blueprint."""

    name: str
    endpoints: list[Endpoint] = field(default_factory=list)

    def get(self, path: str, **declared: Any) -> Callable[[Handler], Handler]:
        return self._declare("GET", path, **declared)

    def post(self, path: str, **declared: Any) -> Callable[[Handler], Handler]:
        return self._declare("POST", path, **declared)

    def put(self, path: str, **declared: Any) -> Callable[[Handler], Handler]:
        return self._declare("PUT", path, **declared)

    def patch(self, path: str, **declared: Any) -> Callable[[Handler], Handler]:
        return self._declare("PATCH", path, **declared)

    def delete(self, path: str, **declared: Any) -> Callable[[Handler], Handler]:
        return self._declare("DELETE", path, **declared)

    def _declare(
        self,
        method: str,
        path: str,
        *,
        tag: str,
        access: Access,
        scope: Scope | None = None,
        status: int = 200,
        errors: Sequence[type[OdeionError]] = (),
        stream: Stream | None = None,
        example: Any = None,
    ) -> Callable[[Handler], Handler]:
        """`access` has no default. Without `scope` an API key cannot reach the route. `errors` are those beyond what
        binding and access can raise."""

        def register(handler: Handler) -> Handler:
            self.endpoints.append(
                _endpoint(method, path, tag, access, scope, status, tuple(errors), stream, example, handler)
            )
            return handler

        return register

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint(self.name, __name__)
        for endpoint in self.endpoints:
            blueprint.add_url_rule(
                _PATH_PARAMETER.sub(r"<\1>", endpoint.path),
                endpoint=f"{endpoint.operation_id}",
                view_func=_view(endpoint),
                methods=[endpoint.method],
                provide_automatic_options=False,
            )
        return blueprint


def _endpoint(
    method: str,
    path: str,
    tag: str,
    access: Access,
    scope: Scope | None,
    status: int,
    errors: tuple[type[OdeionError], ...],
    stream: Stream | None,
    example: Any,
    handler: Handler,
) -> Endpoint:
    hints = get_type_hints(handler, include_extras=True)
    returns = hints.pop("return", None)
    names = {snake_case(name): name for name in _PATH_PARAMETER.findall(path)}
    path_parameters: dict[str, tuple[str, TypeAdapter[Any]]] = {}
    query = body = None
    body_optional = takes_viewer = False
    for name, parameter in inspect.signature(handler).parameters.items():
        annotation = hints[name]
        if name in names:
            path_parameters[name] = (names[name], TypeAdapter(annotation))
        elif annotation is Viewer:
            takes_viewer = True
        elif name == "query":
            query = annotation
        elif name == "body":
            body_optional = parameter.default is not inspect.Parameter.empty
            body = next(a for a in (typing.get_args(annotation) or (annotation,)) if a is not type(None))
        else:
            raise TypeError(f"{handler.__name__}: nothing in {path} binds {name!r}")
    if missing := set(names) - set(path_parameters):
        raise TypeError(f"{handler.__name__} does not take {sorted(missing)} of {path}")
    if takes_viewer != (access.role is not None):
        raise TypeError(f"{handler.__name__}: a route with a role takes the viewer, one without does not")
    summary, _, description = inspect.cleandoc(handler.__doc__ or "").partition("\n\n")
    if not summary:
        raise TypeError(f"{handler.__name__} needs a docstring: it is the summary of the operation")
    return Endpoint(
        method=method,
        path=path,
        tag=tag,
        access=access,
        scope=scope,
        status=status,
        errors=errors,
        handler=handler,
        summary=summary,
        description=" ".join(description.split()),
        path_parameters=path_parameters,
        query=query,
        body=body,
        body_optional=body_optional,
        takes_viewer=takes_viewer,
        answer=TypeAdapter(returns) if returns not in (None, type(None), Response) else None,
        stream=stream,
        example=example,
    )


def _view(endpoint: Endpoint) -> Callable[..., Awaitable[Response]]:
    async def view(**raw_path: str) -> Response:
        arguments: dict[str, Any] = {}
        # Who is asking comes first: nobody learns from a refusal of values what they may not call.
        if endpoint.access.role is not None:
            arguments["viewer"] = await require_viewer(endpoint.access.role, endpoint.scope)
        arguments |= _bind_path(endpoint, raw_path)
        if endpoint.query is not None:
            arguments["query"] = _bind_query(endpoint.query)
        if endpoint.body is not None:
            arguments["body"] = await _bind_body(endpoint.body, optional=endpoint.body_optional)
        result = await endpoint.handler(**arguments)
        if isinstance(result, Response):
            return result
        if endpoint.answer is None:
            return Response(b"", status=endpoint.status)
        return Response(
            endpoint.answer.dump_json(result, warnings="error"),
            status=endpoint.status,
            content_type="application/json",
        )

    view.__name__ = endpoint.operation_id
    return view


def _bind_path(endpoint: Endpoint, raw: dict[str, str]) -> dict[str, Any]:
    bound = {}
    for name, (path_name, adapter) in endpoint.path_parameters.items():
        try:
            bound[name] = adapter.validate_strings(raw[path_name])
        except ValidationError as error:
            raise invalid_from(error, f"path.{path_name}") from None
    return bound


def _bind_query(model: type[BaseModel]) -> BaseModel:
    # Of a name given twice the client may mean another value than we would read.
    raw: dict[str, Any] = {}
    for name, values in request.args.lists():
        if len(values) > 1:
            raise BadRequest(f"the query parameter {name!r} is given more than once")
        raw[name] = values[0]
    try:
        return model.model_validate_strings(raw)
    except ValidationError as error:
        raise invalid_from(error, "query") from None


async def _bind_body(model: type[BaseModel], *, optional: bool) -> BaseModel | None:
    raw = await request.get_data()
    if not raw:
        if optional:
            return model.model_validate({})
        raise BadRequest("a JSON body is needed")
    if request.mimetype not in ("application/json", ""):
        raise BadRequest("the body must be application/json")
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        if any(entry["type"] == "json_invalid" for entry in error.errors()):
            raise BadRequest("the body is no valid JSON") from None
        raise invalid_from(error, "body") from None
