"""``cardiograph serve``: a finished run as a service."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardiograph.errors import ConfigError

if TYPE_CHECKING:
    from cardiograph.service.records import Records
    from cardiograph.service.settings import ServiceSettings


def serve(  # noqa: PLR0913 - a command has its options
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own asks for keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8000,
    database: Annotated[
        str | None,
        typer.Option(help="SQLite file or PostgreSQL URL of the records; by default $CARDIOGRAPH_DATABASE, or a file."),
    ] = None,
    keep_pages: Annotated[
        bool, typer.Option("--keep-pages", help="Keep pages and values in the records, not only their hashes.")
    ] = False,
    retention_days: Annotated[
        int | None, typer.Option(help="Delete predictions that are older; the audit log stays.", min=1)
    ] = None,
    require_key: Annotated[
        bool, typer.Option("--require-key", help="Ask for a key on this machine's own address, too.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Host name that the service goes by, such as that of the proxy; may be given again, and asks for keys."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Patients scored at a time; by default one a core.", min=1)
    ] = None,
    waiting: Annotated[int, typer.Option(help="Patients that may wait; the next is told to come back.", min=0)] = 16,
    timeout: Annotated[float, typer.Option(help="Seconds that a patient may wait and be scored.", min=0.1)] = 20.0,
    rate: Annotated[int, typer.Option(help="Requests a minute for each key.", min=1)] = 1200,
) -> None:
    """Serve a finished run over HTTP: score a patient, read the answer again, see why. For research use.

    It listens on this machine alone. Another address needs a key (`cardiograph keys create`), and a proxy that speaks TLS.
    """
    from cardiograph.service.app import create_app, open_records
    from cardiograph.service.server import Server
    from cardiograph.service.settings import ServiceSettings
    from cardiograph.threads import available_threads, set_threads

    workers = workers or available_threads()
    settings = ServiceSettings(
        run=run,
        host=host,
        port=port,
        database=database,
        keep_pages=keep_pages,
        retention_days=retention_days,
        require_key=require_key,
        allowed_hosts=tuple(name.lower() for name in allow_host or ()),
        workers=workers,
        waiting=waiting,
        uploads=workers + waiting + 6,
        timeout_seconds=timeout,
        requests_per_minute=rate,
    )
    set_threads(max(1, available_threads() // workers))
    records = open_records(settings)
    require_a_key(settings, records)
    Server(create_app(settings, records=records), announce=lambda url: _announce(run, url)).listen()


def require_a_key(settings: ServiceSettings, records: Records) -> None:
    """Raise ConfigError where keys are asked for and nobody could have one."""
    now = datetime.now(UTC)
    usable = (
        key.revoked_at is None and (key.expires_at is None or key.expires_at > now) for key in records.keys.list()
    )
    if settings.keys_required and not any(usable):
        message = (
            f"serve --host {settings.host}: keys are asked for, and there is none that is valid; make one by "
            "`cardiograph keys create NAME --scope predict --scope read`, or serve on 127.0.0.1"
        )
        raise ConfigError(message)


def _announce(run: Path, url: str) -> None:
    typer.echo(f"serving {run} on {url}\nfor research use only: not a medical device", color=False)
