"""``cardiograph serve``: serve a finished run over HTTP."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardiograph.cli.signature import with_options
from cardiograph.errors import ConfigError

if TYPE_CHECKING:
    from cardiograph.service.records import Records
    from cardiograph.service.settings import ServiceSettings

ServedRun = Annotated[Path, typer.Argument(envvar="CARDIOGRAPH_RUN", help="Folder of a finished run.")]

UPLOADS_BEYOND_QUEUE = 6
"""Uploads that are read in addition to the patients that are scored or wait."""


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Where a service listens, and who may use it."""

    host: Annotated[
        str,
        typer.Option(
            envvar="CARDIOGRAPH_HOST", help="Address to listen on; any address but the local 127.0.0.1 requires keys."
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int, typer.Option(envvar="CARDIOGRAPH_PORT", help="Port; 0 chooses a free one.", min=0, max=65535)
    ] = 8000
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            envvar="CARDIOGRAPH_ALLOWED_HOSTS",
            help="Host name under which clients reach the service, such as a proxy's; requires keys. Repeatable.",
        ),
    ] = None
    shard: Annotated[
        list[str] | None,
        typer.Option(
            envvar="CARDIOGRAPH_SHARDS",
            help="Address of a process that holds a shard of the reference records, for a run that `cardiograph shards "
            "cut` has cut; give one for each shard, or more where copies run. Repeatable.",
        ),
    ] = None
    require_key: Annotated[
        bool, typer.Option("--require-key", envvar="CARDIOGRAPH_REQUIRE_KEY", help="Require a key on 127.0.0.1, too.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class StorageOptions:
    """What a service stores, where, and for how long."""

    database: Annotated[
        str | None,
        typer.Option(
            envvar="CARDIOGRAPH_DATABASE",
            help="SQLite file or PostgreSQL URL of the stored predictions; by default $CARDIOGRAPH_DATABASE, or a file "
            "in your data folder.",
        ),
    ] = None
    keep_pages: Annotated[
        bool,
        typer.Option(
            "--keep-pages",
            envvar="CARDIOGRAPH_KEEP_PAGES",
            help="Store pages and clinical values, not only their hashes.",
        ),
    ] = False
    retention_days: Annotated[
        int | None,
        typer.Option(
            envvar="CARDIOGRAPH_RETENTION_DAYS",
            help="Delete predictions after this many days; the audit log stays.",
            min=1,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How many requests a service accepts."""

    workers: Annotated[
        int | None,
        typer.Option(
            envvar="CARDIOGRAPH_WORKERS", help="Number of patients scored at a time; by default one per core.", min=1
        ),
    ] = None
    waiting: Annotated[
        int,
        typer.Option(
            envvar="CARDIOGRAPH_WAITING",
            help="Maximum number of waiting patients; further requests have to come again later.",
            min=0,
        ),
    ] = 16
    timeout: Annotated[
        float,
        typer.Option(
            envvar="CARDIOGRAPH_TIMEOUT_SECONDS", help="Maximum seconds for waiting and scoring of a patient.", min=0.1
        ),
    ] = 20.0
    rate: Annotated[
        int,
        typer.Option(
            envvar="CARDIOGRAPH_REQUESTS_PER_MINUTE", help="Maximum number of requests per minute and key.", min=1
        ),
    ] = 1200


@with_options
def serve(run: ServedRun, *, network: NetworkOptions, storage: StorageOptions, load: LoadOptions) -> None:
    """Serve a finished run over HTTP: score patients, read predictions again, explain them. For research use only.

    The service listens on this machine only by default. Any other address requires a key (`cardiograph keys create`)
    and a proxy that terminates TLS. Every setting can also come from the environment; an option wins over it.
    """
    from cardiograph.service.app import create_app, open_records
    from cardiograph.service.server import Server
    from cardiograph.service.settings import settings_with, variable_of
    from cardiograph.threads import available_threads, set_threads

    workers = load.workers or available_threads()
    options = {
        "run": run,
        "host": network.host,
        "port": network.port,
        "database": storage.database,
        "keep_pages": storage.keep_pages,
        "retention_days": storage.retention_days,
        "require_key": network.require_key,
        "shards": tuple(network.shard or ()),
        "allowed_hosts": tuple(name.lower() for name in network.allow_host or ()),
        "workers": workers,
        "waiting": load.waiting,
        "timeout_seconds": load.timeout,
        "requests_per_minute": load.rate,
    }
    if not os.environ.get(variable_of("uploads")):
        options["uploads"] = workers + load.waiting + UPLOADS_BEYOND_QUEUE
    settings = settings_with(options)
    set_threads(max(1, available_threads() // workers))
    records = open_records(settings)
    require_a_key(settings, records)
    Server(create_app(settings, records=records), announce=lambda url: _announce(run, url)).listen()


def require_a_key(settings: ServiceSettings, records: Records) -> None:
    """Raise ConfigError if the service requires keys and no valid one exists."""
    now = datetime.now(UTC)
    if settings.keys_required and not any(key.usable(now) for key in records.keys.list()):
        message = (
            f"serve --host {settings.host}: a key is required, and no valid one exists; create one with "
            "`cardiograph keys create NAME --scope predict --scope read`, or serve on 127.0.0.1"
        )
        raise ConfigError(message)


def _announce(run: Path, url: str) -> None:
    typer.echo(f"serving {run} on {url}\nfor research use only: not a medical device", color=False)
