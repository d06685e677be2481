"""Correcting what is known of films and series by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from odeion.application.catalog.queries import CatalogQueries, Movie, Series
from odeion.application.shared.unit_of_work import Transaction, UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.users import Role
from odeion.domain.naming import sort_title
from odeion.domain.shared.ids import MovieId, SeriesId


class MetadataRepository(Protocol):
    async def change_movie(self, movie_id: MovieId, fields: Mapping[str, Any], *, lock: bool) -> None:
        """Write the fields and, with `lock`, keep them from later scans and providers. Raises NotFound."""

    async def change_series(self, series_id: SeriesId, fields: Mapping[str, Any], *, lock: bool) -> None:
        """As `change_movie`."""


class CatalogTx(Transaction, Protocol):
    @property
    def metadata(self) -> MetadataRepository: ...


class MetadataEditing:
    def __init__(self, uow: UnitOfWorkFactory[CatalogTx], queries: CatalogQueries) -> None:
        self._uow = uow
        self._queries = queries

    async def change_movie(self, viewer: Viewer, movie_id: MovieId, fields: Mapping[str, Any]) -> Movie:
        """`fields` holds only what is to change. Raises NotFound."""
        viewer.require(Role.ADMIN)
        async with self._uow() as tx:
            await tx.metadata.change_movie(movie_id, _with_sort_title(fields), lock=True)
            await tx.commit()
        return await self._queries.get_movie(viewer, movie_id)

    async def change_series(self, viewer: Viewer, series_id: SeriesId, fields: Mapping[str, Any]) -> Series:
        """As `change_movie`."""
        viewer.require(Role.ADMIN)
        async with self._uow() as tx:
            await tx.metadata.change_series(series_id, _with_sort_title(fields), lock=True)
            await tx.commit()
        return await self._queries.get_series(viewer, series_id)


def _with_sort_title(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A new title brings its place on the shelf along, unless that was set as well."""
    changed = dict(fields)
    if "title" in changed and "sort_title" not in changed:
        changed["sort_title"] = sort_title(changed["title"])
    return changed
