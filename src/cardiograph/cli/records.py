"""``cardiograph keys``, ``audit-log`` and ``records``: what is done to a service's database beside the service."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiograph.cli import options
from cardiograph.errors import ConfigError

if TYPE_CHECKING:
    from cardiograph.service.records import Key

keys = typer.Typer(name="keys", help="API keys of `cardiograph serve`: make, list, revoke.", no_args_is_help=True)
audit_log = typer.Typer(name="audit-log", help="The audit log of `cardiograph serve`.", no_args_is_help=True)
records = typer.Typer(name="records", help="The predictions that `cardiograph serve` keeps.", no_args_is_help=True)

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        help="File, or URL such as postgresql://USER@HOST/NAME; by default $CARDIOGRAPH_DATABASE, else records.sqlite in "
        "$XDG_DATA_HOME/cardiograph (~/.local/share/cardiograph)."
    ),
]
MOST_DAYS = 36_500


@keys.command(
    epilog="Examples: cardiograph keys create ward-3 --expires 90d | "
    "cardiograph keys create monitoring --scope metrics --expires never"
)
def create(
    name: Annotated[str, typer.Argument(help="Who or what it is for; no secret.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="predict, read or metrics; may be given again. By default predict and read."),
    ] = None,
    expires: Annotated[
        str, typer.Option(help="After so many days (90d), at the end of a day in UTC (2027-01-31), or never.")
    ] = "90d",
    database: DatabaseOption = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a key and print its token, once: only a hash of it is kept."""
    from cardiograph.cli import console
    from cardiograph.service.records import Records

    expires_at = _end(expires)
    with Records.open(database) as opened:
        token, key = opened.keys.create(name, frozenset(scope or ("predict", "read")), expires_at)
    if as_json:
        console.show_json({"token": token, **_told(key)})
    else:
        typer.echo(token)
        end = "never expires" if key.expires_at is None else f"expires {_minute(key.expires_at)}"
        typer.echo(f"key {key.id}, good for {', '.join(sorted(key.scopes))}, {end}; it is not shown again", err=True)


@keys.command("list")
def list_(database: DatabaseOption = None, as_json: options.AsJson = False) -> None:
    """Show all keys without their secrets, void ones, too."""
    from rich.console import Console
    from rich.table import Table

    from cardiograph.cli import console
    from cardiograph.service.records import Records

    with Records.open(database, create=False) as opened:
        found = opened.keys.list()
    if as_json:
        console.show_json({"keys": [_told(key) for key in found]})
        return
    table = Table("id", "name", "scopes", "created", "expires", "state")
    for key in found:
        told = _told(key)
        end = "never" if key.expires_at is None else _minute(key.expires_at)
        cells = (key.id, key.name, ", ".join(told["scopes"]), _minute(key.created_at), end, told["state"])
        table.add_row(*(console.plain(cell) for cell in cells))
    Console().print(table)


@keys.command()
def revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of the key: the 12 digits in the middle of its token.")],
    database: DatabaseOption = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a key void from now on."""
    from cardiograph.cli import console
    from cardiograph.service.records import Records

    with Records.open(database, create=False) as opened:
        key = opened.keys.revoke(id_)
    if as_json:
        console.show_json(_told(key))
    else:
        typer.echo(f"key {key.id} is revoked")


@audit_log.command(
    epilog="Examples: cardiograph audit-log verify | cardiograph audit-log verify --known 120:9f86d081...; "
    "exit status 1 where something is wrong."
)
def verify(
    database: DatabaseOption = None,
    known: Annotated[
        str | None,
        typer.Option(help="NUMBER:HASH of an entry, as an earlier call told and you noted elsewhere."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Check that no entry was changed, removed, added or moved, nor the predictions and keys that entries are about."""
    from dataclasses import asdict

    from cardiograph.cli import console
    from cardiograph.service.records import Records

    noted = None if known is None else _noted(known)
    with Records.open(database, create=False) as opened:
        found = opened.log.verify(known=noted)
    if as_json:
        console.show_json(asdict(found))
    elif found.ok:
        typer.echo(f"whole: {found.entries} entries\nnote elsewhere, for --known: {found.entries}:{found.head_hash}")
    else:
        where = "" if found.first_bad is None else f"entry {found.first_bad} "
        typer.echo(f"broken: {where}{found.reason}")
    if not found.ok:
        raise typer.Exit(1)


@records.command(epilog="Example: cardiograph records prune --older-than 30d")
def prune(
    older_than: Annotated[str, typer.Option(help="Age in days, such as 30d.")],
    database: DatabaseOption = None,
    as_json: options.AsJson = False,
) -> None:
    """Delete old predictions with the pages that were kept; the audit log stays whole and tells of it."""
    from cardiograph.cli import console
    from cardiograph.service.records import Records

    before = datetime.now(UTC) - _days("--older-than", older_than)
    with Records.open(database, create=False, spend_reserve=True) as opened:
        count = opened.prune(before)
        left = not opened.forget()
    if left:
        typer.echo("the database is being read, so parts of them are left in its -wal file; run this again", err=True)
    if as_json:
        console.show_json({"deleted": count, "before": before.isoformat()})
    else:
        typer.echo(f"deleted {count} predictions made before {_minute(before)}")


def _end(text: str) -> datetime | None:
    if text == "never":
        return None
    if text.endswith("d"):
        return datetime.now(UTC) + _days("--expires", text)
    try:
        return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
    except (ValueError, OverflowError):
        message = f"--expires {text!r}: expected days (90d), a date (2027-01-31) or never"
        raise ConfigError(message) from None


def _days(option: str, text: str) -> timedelta:
    if not re.fullmatch(r"[0-9]{1,5}d", text) or int(text[:-1]) > MOST_DAYS:
        message = f"{option} {text!r}: expected 0d to {MOST_DAYS}d, such as 30d"
        raise ConfigError(message)
    return timedelta(days=int(text[:-1]))


def _noted(text: str) -> tuple[int, str]:
    found = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", text)
    if found is None:
        message = f"--known {text!r}: expected NUMBER:HASH as `cardiograph audit-log verify` tells it"
        raise ConfigError(message)
    return int(found[1]), found[2]


def _told(key: Key) -> dict[str, Any]:
    usable = "usable" if key.usable(datetime.now(UTC)) else "expired"
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": key.created_at.isoformat(),
        "expires_at": None if key.expires_at is None else key.expires_at.isoformat(),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(),
        "state": usable if key.revoked_at is None else "revoked",
    }


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
