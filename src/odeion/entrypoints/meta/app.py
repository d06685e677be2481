"""The metadata service: an application of its own, so that what is fetched from providers is fetched once for many
servers. Providers are not built yet; what is here says that it lives and documents itself."""

from __future__ import annotations

import orjson
from quart import Quart, Response

from odeion.application.system.facts import HealthView, VersionView
from odeion.entrypoints.container import installed_parts
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.endpoint import Area
from odeion.entrypoints.http.errors import install_error_handlers
from odeion.entrypoints.http.openapi import build_document

area = Area("meta")


@area.get("/health/live", tag="System", access=Access.PUBLIC)
async def check_meta_liveness() -> HealthView:
    """Liveness probe"""
    return HealthView(status="ok", checks=[])


@area.get("/version", tag="System", access=Access.PUBLIC)
async def get_meta_version() -> VersionView:
    """Get version"""
    return installed_parts().version()


def meta_document() -> dict[str, object]:
    return build_document(
        [area],
        title="Odeion metadata service",
        description="Fetches and normalises data from external providers for Odeion servers. Only media identifiers "
        "are sent to it.",
    )


def create_meta_app() -> Quart:
    app = Quart(__name__, static_folder=None)
    install_error_handlers(app)
    app.register_blueprint(area.blueprint())
    document = orjson.dumps(meta_document())

    async def get_meta_document() -> Response:
        return Response(document, content_type="application/json")

    app.add_url_rule(
        "/openapi-meta.json", "get_meta_document", get_meta_document, methods=["GET"], provide_automatic_options=False
    )
    return app
