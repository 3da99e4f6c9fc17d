"""``cardiograph keys``, ``audit-log`` and ``records``: administration of a service's database."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiograph.cli.options import AsJson
from cardiograph.errors import ConfigError

if TYPE_CHECKING:
    from cardiograph.service.records import Key

keys = typer.Typer(name="keys", help="Create, list and revoke API keys of `cardiograph serve`.", no_args_is_help=True)
audit_log = typer.Typer(name="audit-log", help="Check the audit log of `cardiograph serve`.", no_args_is_help=True)
records = typer.Typer(
    name="records", help="Manage the predictions that `cardiograph serve` stores.", no_args_is_help=True
)

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        help="SQLite file, or URL such as postgresql://USER@HOST/NAME; by default $CARDIOGRAPH_DATABASE, or "
        "records.sqlite in $XDG_DATA_HOME/cardiograph (~/.local/share/cardiograph)."
    ),
]
MAX_DAYS = 36_500


@keys.command(
    epilog="Examples: cardiograph keys create ward-3 --expires 90d | "
    "cardiograph keys create monitoring --scope metrics --expires never"
)
def create(
    name: Annotated[str, typer.Argument(help="Person or program that uses the key; not a secret.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What the key permits: predict, read, outcomes or metrics; predict and read by default. Repeatable."
        ),
    ] = None,
    expires: Annotated[
        str,
        typer.Option(
            help="When the key expires: after some days (90d), at the end of a day in UTC (2027-01-31), or never."
        ),
    ] = "90d",
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and print its token, which is shown only now: the database stores a hash of it."""
    from cardiograph.cli import console
    from cardiograph.service.records import Records

    expires_at = _expiry(expires)
    with Records.open(database) as opened:
        token, key = opened.keys.create(name, frozenset(scope or ("predict", "read")), expires_at)
    if as_json:
        console.show_json({"token": token, **_described(key)})
    else:
        typer.echo(token)
        end = "never expires" if key.expires_at is None else f"expires {_minute(key.expires_at)}"
        typer.echo(
            f"key {key.id}, scopes {', '.join(sorted(key.scopes))}, {end}; the token is not shown again", err=True
        )


@keys.command("list")
def list_(database: DatabaseOption = None, as_json: AsJson = False) -> None:
    """List all keys without their secrets, including expired and revoked ones."""
    from rich.console import Console
    from rich.table import Table

    from cardiograph.cli import console
    from cardiograph.service.records import Records

    with Records.open(database, create=False) as opened:
        listed = opened.keys.list()
    if as_json:
        console.show_json({"keys": [_described(key) for key in listed]})
        return
    table = Table("id", "name", "scopes", "created", "expires", "state")
    for key in listed:
        described = _described(key)
        end = "never" if key.expires_at is None else _minute(key.expires_at)
        cells = (key.id, key.name, ", ".join(described["scopes"]), _minute(key.created_at), end, described["state"])
        table.add_row(*(console.plain(cell) for cell in cells))
    Console().print(table)


@keys.command()
def revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Id of the key: the 12 digits in the middle of its token.")],
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key; it is refused from now on."""
    from cardiograph.cli import console
    from cardiograph.service.records import Records

    with Records.open(database, create=False) as opened:
        key = opened.keys.revoke(id_)
    if as_json:
        console.show_json(_described(key))
    else:
        typer.echo(f"key {key.id} is revoked")


@audit_log.command(
    epilog="Examples: cardiograph audit-log verify | cardiograph audit-log verify --known 120:9f86d081...; "
    "Exit status 1 if a check fails."
)
def verify(
    database: DatabaseOption = None,
    known: Annotated[
        str | None,
        typer.Option(help="NUMBER:HASH of an entry that an earlier call printed and you stored elsewhere."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that no entry was changed, removed, added or moved, nor the predictions and keys that entries refer to."""
    from dataclasses import asdict

    from cardiograph.cli import console
    from cardiograph.service.records import Records

    expected = None if known is None else _known_entry(known)
    with Records.open(database, create=False) as opened:
        result = opened.log.verify(known=expected)
    if as_json:
        console.show_json(asdict(result))
    elif result.ok:
        typer.echo(
            f"intact: {result.entries} entries\nstore this elsewhere, for --known: {result.entries}:{result.head_hash}"
        )
    else:
        where = "" if result.first_bad is None else f"entry {result.first_bad} "
        typer.echo(f"broken: {where}{result.reason}")
    if not result.ok:
        raise typer.Exit(1)


@records.command(epilog="Example: cardiograph records prune --older-than 30d")
def prune(
    older_than: Annotated[str, typer.Option(help="Minimum age of what is deleted, in days, such as 30d.")],
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """Delete old predictions and their stored pages; the audit log stays intact and records the deletion."""
    from cardiograph.cli import console
    from cardiograph.service.records import Records

    before = datetime.now(UTC) - _days("--older-than", older_than)
    with Records.open(database, create=False, spend_reserve=True) as opened:
        count = opened.prune(before)
        incomplete = not opened.forget()
    if incomplete:
        typer.echo(
            "another process reads the database, so parts of them remain in its -wal file; run this again",
            err=True,
        )
    if as_json:
        console.show_json({"deleted": count, "before": before.isoformat()})
    else:
        typer.echo(f"deleted {count} predictions made before {_minute(before)}")


def _expiry(text: str) -> datetime | None:
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
    if not re.fullmatch(r"[0-9]{1,5}d", text) or int(text[:-1]) > MAX_DAYS:
        message = f"{option} {text!r}: expected 0d to {MAX_DAYS}d, such as 30d"
        raise ConfigError(message)
    return timedelta(days=int(text[:-1]))


def _known_entry(text: str) -> tuple[int, str]:
    found = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", text)
    if found is None:
        message = f"--known {text!r}: expected NUMBER:HASH as printed by `cardiograph audit-log verify`"
        raise ConfigError(message)
    return int(found[1]), found[2]


def _described(key: Key) -> dict[str, Any]:
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
