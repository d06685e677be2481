"""What every benchmark is: a module `bench_NAME.py` with a figure, and a goal for it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_FOLDER = Path(__file__).parent


class BrokenBenchmark(Exception):
    """A benchmark module lacks something it must define."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`run` makes its own input, prints its table line by line through the function it is given, and returns the
    figure that the goal is about."""

    name: str
    description: str
    goal: float
    goal_is: Literal["at_least", "at_most"]
    run: Callable[[Callable[[str], None]], float]

    def is_met_by(self, figure: float) -> bool:
        """Whether `figure` reaches the goal; not a number never does."""
        return figure >= self.goal if self.goal_is == "at_least" else figure <= self.goal


def names() -> list[str]:
    """The benchmarks that exist, in order."""
    return sorted(path.stem.removeprefix("bench_") for path in _FOLDER.glob("bench_*.py"))


def load(name: str) -> Benchmark:
    """Import a benchmark. Raises KeyError for an unknown name, BrokenBenchmark for an incomplete module."""
    if name not in names():
        raise KeyError(name)
    # By name, as a benchmark may start processes that import it again; `run` puts this folder on the path.
    module = importlib.import_module(f"bench_{name}")
    try:
        benchmark = Benchmark(
            name=name,
            description=str(module.DESCRIPTION),
            goal=float(module.GOAL),
            goal_is=module.GOAL_IS,
            run=module.run,
        )
    except AttributeError as error:
        raise BrokenBenchmark(f"bench_{name}.py: {error}") from error
    if benchmark.goal_is not in ("at_least", "at_most"):
        raise BrokenBenchmark(f"bench_{name}.py: GOAL_IS is {benchmark.goal_is!r}, not at_least or at_most")
    return benchmark


def figure_text(value: float) -> str:
    """A figure for people: three significant digits, no exponent for everyday sizes."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
