"""The command line: `odeion serve`, `worker`, `meta`, `scan`, `openapi`, `doctor`, `psql`, `reset-password`..."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
from pydantic import ValidationError

from odeion import __version__
from odeion.domain.shared.errors import OdeionError
from odeion.entrypoints.settings import Settings

Command = Callable[[Settings, argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; exits with 0, or with 1 and the reason on standard error."""
    parser = _parser()
    options, further = parser.parse_known_args(arguments)
    if further and options.command is not _psql:
        parser.error(f"unrecognized arguments: {' '.join(further)}")
    options.further = further
    if options.command is None:
        parser.print_help()
        sys.exit(2)
    given = {
        name: value for name, value in vars(options).items() if name in Settings.model_fields and value is not None
    }
    try:
        settings = Settings(**given)
        sys.exit(options.command(settings, options))
    except ValidationError as error:
        for entry in error.errors(include_url=False):
            print(f"odeion: {'.'.join(map(str, entry['loc']))}: {entry['msg']}", file=sys.stderr)
        sys.exit(1)
    except OdeionError as error:
        print(f"odeion: {error.message}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python would complain once more while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="odeion", description="A self-hosted media server.")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(metavar="COMMAND")

    def add(name: str, command: Command, help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(command=command)
        sub.add_argument("--data-dir", dest="data_dir", type=Path, help="where everything that must last is kept")
        return sub

    serve = add("serve", _serve, "Run the server: database, API and worker.")
    serve.add_argument("--host", help="address to listen on (default: loopback)")
    serve.add_argument("--port", type=int, help="port to listen on (default: 8096)")
    serve.add_argument("--no-worker", dest="worker", action="store_false", default=None, help="run no worker")
    serve.add_argument("--demo", action="store_true", help="make a small library and an administrator to try it with")
    add("worker", _worker, "Run a worker against a database and Redis of your own.")
    meta = add("meta", _meta, "Run the metadata service.")
    meta.add_argument("--host")
    meta.add_argument("--port", type=int)
    scan = add("scan", _scan, "Scan a library, or all, and show how far it is; the server must be running.")
    scan.add_argument("library", nargs="?", help="name or id of the library")
    scan.add_argument("--accept-loss", action="store_true", help="believe it when many files are gone")
    openapi = add("openapi", _openapi, "Print the OpenAPI document.")
    openapi.add_argument("--meta", action="store_true", help="that of the metadata service")
    add("doctor", _doctor, "Look for what is wrong with this installation.")
    add("psql", _psql, "Open the database with psql; further arguments go to it.")
    reset = add("reset-password", _reset_password, "Set somebody's password and end their sessions.")
    reset.add_argument("username")
    factors = add("reset-second-factors", _reset_second_factors, "Take away somebody's second factors.")
    factors.add_argument("username")
    add("config", _config, "Print the settings in use.")
    add("version", _version, "Print the version.")
    return parser


def _serve(settings: Settings, options: argparse.Namespace) -> int:
    from odeion.entrypoints.launcher import launch

    return asyncio.run(launch(settings, demo=options.demo))


def _worker(settings: Settings, options: argparse.Namespace) -> int:
    from odeion.entrypoints.launcher import with_running_servers
    from odeion.entrypoints.worker.main import run

    run(with_running_servers(settings))
    return 0


def _meta(settings: Settings, options: argparse.Namespace) -> int:
    from odeion.entrypoints.meta.main import run

    run(settings, port=options.port)
    return 0


def _scan(settings: Settings, options: argparse.Namespace) -> int:
    from odeion.entrypoints.commands import scan
    from odeion.entrypoints.launcher import with_running_servers

    return asyncio.run(scan(with_running_servers(settings), options.library, accept_loss=options.accept_loss))


def _openapi(settings: Settings, options: argparse.Namespace) -> int:
    if options.meta:
        from odeion.entrypoints.meta.app import meta_document as document
    else:
        from odeion.entrypoints.http.app import openapi_document as document
    print(orjson.dumps(document(), option=orjson.OPT_INDENT_2).decode())
    return 0


def _doctor(settings: Settings, options: argparse.Namespace) -> int:
    from odeion.entrypoints.commands import doctor

    return asyncio.run(doctor(settings))


def _psql(settings: Settings, options: argparse.Namespace) -> int:
    from odeion.entrypoints.launcher import psql_command, with_running_servers

    command, environment = psql_command(with_running_servers(settings))
    os.execvpe(command[0], [*command, *options.further], environment)  # noqa: S606


def _reset_password(settings: Settings, options: argparse.Namespace) -> int:
    from odeion.entrypoints.commands import reset_password
    from odeion.entrypoints.launcher import with_running_servers

    if sys.stdin.isatty():
        password = getpass.getpass("New password: ")
        if getpass.getpass("Again: ") != password:
            print("odeion: the two differ", file=sys.stderr)
            return 1
    else:
        password = sys.stdin.readline().rstrip("\n")
    asyncio.run(reset_password(with_running_servers(settings), options.username, password))
    print(f"The password of {options.username} is set; their sessions have ended.")
    return 0


def _reset_second_factors(settings: Settings, options: argparse.Namespace) -> int:
    from odeion.entrypoints.commands import reset_second_factors
    from odeion.entrypoints.launcher import with_running_servers

    asyncio.run(reset_second_factors(with_running_servers(settings), options.username))
    print(f"{options.username} signs in without a second step now; their passkeys are gone, their sessions have ended.")
    return 0


def _config(settings: Settings, options: argparse.Namespace) -> int:
    values = settings.model_dump(mode="json", exclude={"setup_code"})
    values["cache_dir"] = str(settings.caches)
    values["web_root"] = str(settings.web_files) if settings.web_files else None
    for name, value in values.items():
        shown = _without_password(value) if name.endswith("_url") and isinstance(value, str) else value
        print(f"ODEION_{name.upper()}={'' if shown in (None, []) else shown}")
    return 0


def _without_password(url: str) -> str:
    from sqlalchemy import make_url

    return make_url(url).render_as_string(hide_password=True)


def _version(settings: Settings, options: argparse.Namespace) -> int:
    print(f"odeion {__version__}")
    return 0
