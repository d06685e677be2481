"""Shapes that several areas' requests share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from odeion.application.shared.page import MAX_PER_PAGE, PageRequest
from odeion.domain.identity.users import MAX_PASSWORD_LENGTH

Id = Annotated[int, Field(ge=1, le=2**63 - 1, description="Numeric id")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")
]
LongText = Annotated[str, StringConstraints(max_length=20_000, pattern=r"^[^\x00]*$")]
Username = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
Password = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PASSWORD_LENGTH)]
FolderPath = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]
StreamKey = Annotated[str, StringConstraints(min_length=16, max_length=128, pattern=r"^[A-Za-z0-9_-]+$")]
Milliseconds = Annotated[int, Field(ge=0, le=10**12)]


class Request(BaseModel):
    """Bodies: a field nobody knows is a mistake worth telling."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Query(BaseModel):
    """Query parameters; unknown ones are passed over, as URLs are edited by many hands."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class PageQuery(Query):
    page: int = Field(1, ge=1, le=1_000_000, description="Page, from 1")
    per_page: int = Field(20, ge=1, le=MAX_PER_PAGE, description="Items per page")

    def page_request(self) -> PageRequest:
        return PageRequest(self.page, self.per_page)
