"""Films, series and episodes."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints, field_validator

from odeion.application.catalog.queries import (
    CatalogFilter,
    CatalogSort,
    Episode,
    Movie,
    MovieSummary,
    NextEpisode,
    SeasonView,
    Series,
    SeriesSummary,
)
from odeion.application.shared.page import Page, SortOrder
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.api_keys import Scope
from odeion.domain.shared.errors import NotFound
from odeion.domain.shared.ids import EpisodeId, LibraryId, MovieId, SeriesId
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.endpoint import Area
from odeion.entrypoints.http.models import Id, LongText, PageQuery, Request, Text

area = Area("catalog")

Year = Annotated[int, Field(ge=1800, le=2200)]


class CatalogQuery(PageQuery):
    library_id: Id | None = Field(None, description="Only of this library")
    search: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")] | None = Field(
        None, description="Words of the title, or beginnings of words; case and accents do not matter"
    )
    genre: Text | None = None
    year_from: Year | None = None
    year_to: Year | None = None
    watched: bool | None = Field(None, description="By the asking viewer")
    available: bool | None = Field(None, description="Whether it can be played now")
    sort: CatalogSort = CatalogSort.TITLE
    order: SortOrder = SortOrder.ASC

    def filter(self) -> CatalogFilter:
        return CatalogFilter(
            library_id=LibraryId(self.library_id) if self.library_id else None,
            search=self.search,
            genre=self.genre,
            year_from=self.year_from,
            year_to=self.year_to,
            watched=self.watched,
            available=self.available,
            sort=self.sort,
            order=self.order,
        )


@area.get("/api/movies", tag="Movies", access=Access.VIEWER, scope=Scope.CATALOG)
async def list_movies(viewer: Viewer, query: CatalogQuery) -> Page[MovieSummary]:
    """List movies

    Returns a paginated list of movies with optional filters."""
    return await use_cases().catalog.list_movies(viewer, query.filter(), query.page_request())


@area.get("/api/movies/{id}", tag="Movies", access=Access.VIEWER, scope=Scope.CATALOG, errors=(NotFound,))
async def get_movie(viewer: Viewer, id: Id) -> Movie:
    """Get movie

    Returns a single movie with genres, credits, and files."""
    return await use_cases().catalog.get_movie(viewer, MovieId(id))


class MetadataRequest(Request):
    """Only what is given is changed; null clears a field that may be empty. What is written here is
    kept from later scans."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "Stalker", "year": 1979}]})

    title: Text | None = None
    original_title: Text | None = None
    sort_title: Text | None = None
    year: Year | None = None
    overview: LongText | None = None
    content_rating: Annotated[str, StringConstraints(max_length=20)] | None = None
    genres: Annotated[list[Text], Field(max_length=50)] | None = None

    @field_validator("title", "sort_title", "genres")
    @classmethod
    def _not_cleared(cls, value: object) -> object:
        if value is None:
            raise ValueError("this cannot be null; leave it out to keep it")
        return value

    def changes(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.model_fields_set}


class MovieMetadataRequest(MetadataRequest):
    tagline: LongText | None = None


@area.put("/api/movies/{id}/metadata", tag="Movies", access=Access.ADMIN, errors=(NotFound,))
async def update_movie_metadata(viewer: Viewer, id: Id, body: MovieMetadataRequest) -> Movie:
    """Update movie metadata

    Partially update a movie's metadata fields. Requires the administrator role."""
    return await use_cases().metadata.change_movie(viewer, MovieId(id), body.changes())


@area.get("/api/series", tag="Series", access=Access.VIEWER, scope=Scope.CATALOG)
async def list_series(viewer: Viewer, query: CatalogQuery) -> Page[SeriesSummary]:
    """List series

    Returns a paginated list of series with optional filters."""
    return await use_cases().catalog.list_series(viewer, query.filter(), query.page_request())


@area.get("/api/series/{id}", tag="Series", access=Access.VIEWER, scope=Scope.CATALOG, errors=(NotFound,))
async def get_series(viewer: Viewer, id: Id) -> Series:
    """Get series

    Returns a series with seasons, episodes, genres, and credits."""
    return await use_cases().catalog.get_series(viewer, SeriesId(id))


@area.put("/api/series/{id}/metadata", tag="Series", access=Access.ADMIN, errors=(NotFound,))
async def update_series_metadata(viewer: Viewer, id: Id, body: MetadataRequest) -> Series:
    """Update series metadata

    Partially update a series' metadata fields. Requires the administrator role."""
    return await use_cases().metadata.change_series(viewer, SeriesId(id), body.changes())


SeasonNumber = Annotated[int, Field(ge=0, le=100_000)]


@area.get(
    "/api/series/{id}/seasons/{seasonNumber}",
    tag="Series",
    access=Access.VIEWER,
    scope=Scope.CATALOG,
    errors=(NotFound,),
)
async def get_season(viewer: Viewer, id: Id, season_number: SeasonNumber) -> SeasonView:
    """Get season

    Returns a single season with its episodes. Season 0 holds the specials."""
    return await use_cases().catalog.get_season(viewer, SeriesId(id), season_number)


@area.get("/api/episodes/{id}", tag="Episodes", access=Access.VIEWER, scope=Scope.CATALOG, errors=(NotFound,))
async def get_episode(viewer: Viewer, id: Id) -> Episode:
    """Get episode

    Returns an episode with parent season and series context."""
    return await use_cases().catalog.get_episode(viewer, EpisodeId(id))


@area.get("/api/episodes/{id}/next", tag="Episodes", access=Access.VIEWER, scope=Scope.CATALOG, errors=(NotFound,))
async def get_next_episode(viewer: Viewer, id: Id) -> NextEpisode:
    """Get next episode

    Returns the next episode in the series after the given episode; null after the last."""
    return await use_cases().catalog.get_next_episode(viewer, EpisodeId(id))
