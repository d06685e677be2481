"""Changes the access declaration of each route in turn, in a copy of the sources, and runs the access tests on it.

A change the tests do not notice is a survivor: it is named, and the run fails."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_ROUTES = Path("odeion/entrypoints/http/routes")
_TESTS = "tests.integration.http.test_access"
_METHODS = {"get", "post", "put", "patch", "delete"}


@dataclass(frozen=True)
class Declaration:
    """A route decorator, by the byte offsets of its `access` and `scope` arguments in the file."""

    file: str
    route: str
    access: tuple[int, int]
    access_value: str
    scope: tuple[int, int] | None
    end: int


def declarations(source_root: Path) -> Iterator[Declaration]:
    for path in sorted((source_root / _ROUTES).glob("*.py")):
        source = path.read_bytes()
        starts = [0]
        for line in source.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.AsyncFunctionDef):
                continue
            for call in node.decorator_list:
                if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                    continue
                if call.func.attr not in _METHODS or not isinstance(call.args[0], ast.Constant):
                    continue
                spans = {
                    keyword.arg: (
                        starts[keyword.lineno - 1] + keyword.col_offset,
                        starts[(keyword.end_lineno or 0) - 1] + (keyword.end_col_offset or 0),
                    )
                    for keyword in call.keywords
                }
                start, end = spans["access"]
                yield Declaration(
                    file=path.name,
                    route=f"{call.func.attr.upper()} {call.args[0].value}",
                    access=(start, end),
                    access_value=source[start:end].decode().rpartition(".")[2],
                    scope=spans.get("scope"),
                    end=end,
                )


def mutants(source: bytes, found: Declaration) -> Iterator[tuple[str, bytes]]:
    """(what was done, the changed source)."""
    start, end = found.access
    tail = re.sub(rb"^\s*,\s*", b"", source[end:])
    yield "access removed", source[:start] + tail
    for weaker in ("PUBLIC", "VIEWER", "CURATOR", "MODERATOR", "STREAM"):
        if weaker != found.access_value:
            yield f"access {weaker}", source[:start] + f"access=Access.{weaker}".encode() + source[end:]
    if found.scope is None:
        opened = b", scope=__import__('odeion.domain.identity.api_keys', fromlist=['Scope']).Scope.CATALOG"
        yield "opened to API keys", source[:end] + opened + source[end:]
    else:
        start, end = found.scope
        yield "scope removed", source[:start] + re.sub(rb"^\s*,\s*", b"", source[end:])


def survives() -> bool:
    """Whether the access tests pass on the sources as they are now. In a child that has all but the routes loaded: they
    are what changes."""
    child = os.fork()
    if child == 0:
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            importlib.import_module(_TESTS).test_routes_are_declared_as_decided()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def run(root: Path, part: str) -> int:
    """In a process whose `odeion` is the copy below `root`."""
    importlib.import_module("odeion.entrypoints.container")
    importlib.import_module("odeion.entrypoints.http.endpoint")
    importlib.import_module("quart")
    assert not any(name.startswith("odeion.entrypoints.http.routes.") for name in sys.modules)
    if not survives():
        print("the access tests fail without any change; mend that first")
        return 1
    survivors, count = [], 0
    found = [d for d in declarations(root) if part in d.route]
    for number, declaration in enumerate(found, 1):
        path = root / _ROUTES / declaration.file
        source = path.read_bytes()
        for name, mutant in mutants(source, declaration):
            count += 1
            path.write_bytes(mutant)
            if survives():
                survivors.append(f"{declaration.route}: {name}")
        path.write_bytes(source)
        print(f"{number}/{len(found)} {declaration.route}", flush=True)
    for survivor in survivors:
        print(f"not noticed: {survivor}")
    print(f"{count} changes to {len(found)} routes, {len(survivors)} not noticed")
    return 1 if survivors else 0


def main(part: str = "") -> int:
    with tempfile.TemporaryDirectory(prefix="odeion-mutants-") as folder:
        shutil.copytree(_ROOT / "src" / "odeion", Path(folder) / "odeion", ignore=shutil.ignore_patterns("__pycache__"))
        environment = {**os.environ, "PYTHONPATH": f"{folder}:{_ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "tests.mutate_access", "--in", folder, part]
        return subprocess.run(command, cwd=_ROOT, env=environment).returncode


if __name__ == "__main__":
    if sys.argv[1:2] == ["--in"]:
        raise SystemExit(run(Path(sys.argv[2]), sys.argv[3]))
    raise SystemExit(main(*sys.argv[1:2]))
