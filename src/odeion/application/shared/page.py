"""Pages of lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")

MAX_PER_PAGE = 100


class SortOrder(StrEnum):
    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is wanted; both count from 1."""

    page: int = 1
    per_page: int = 20

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page and the size of the whole."""

    items: list[T]
    page: int
    per_page: int
    total_items: int
    total_pages: int

    @classmethod
    def of(cls, items: list[T], request: PageRequest, total_items: int) -> Page[T]:
        return cls(items, request.page, request.per_page, total_items, -(-total_items // request.per_page))

    def map(self, view: Callable[[T], U]) -> Page[U]:
        return Page([view(item) for item in self.items], self.page, self.per_page, self.total_items, self.total_pages)
