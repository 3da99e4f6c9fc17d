"""``cardiograph shards``: reference records that are too many for the machine of a service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cardiograph.cli.options import AsJson
from cardiograph.errors import ConfigError

shards = typer.Typer(
    name="shards",
    help="Serve a run whose reference records are held by several processes or machines.",
    no_args_is_help=True,
)

KEY_VARIABLE = "CARDIOGRAPH_SHARD_KEY"
"""Environment variable of the secret that shards ask for. No option does, because other users can see options."""

MIN_KEY_LENGTH = 16


@shards.command(epilog="Example: cardiograph shards cut runs/a cut/ --count 4")
def cut(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run with one outcome.")],
    out: Annotated[Path, typer.Argument(help="New folder for the parts: service/, shard-0000/, shard-0001/, ...")],
    count: Annotated[
        int | None,
        typer.Option(
            help="Number of shards; by default 2, or the number of parts of the run's search index "
            "(graph.shards), where it is the only one possible.",
            min=1,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Cut the reference records of a run into shards; the run itself stays as it is."""
    from cardiograph.cli import console
    from cardiograph.inference.cut_shards import SERVICE, cut_shards

    folders = cut_shards(run, out, count)
    if as_json:
        console.show_json({"service": str(out / SERVICE), "shards": [str(folder) for folder in folders]})
        return
    typer.echo(f"wrote {len(folders)} shards and {out / SERVICE}; start `cardiograph shards serve` for each of:")
    for folder in folders:
        typer.echo(f"  {folder}")
    typer.echo(f"then `cardiograph serve {out / SERVICE} --shard ADDRESS --shard ADDRESS ...`")


@shards.command(
    epilog="Example: CARDIOGRAPH_SHARD_KEY=... cardiograph shards serve cut/shard-0000 --host 0.0.0.0 --port 9000"
)
def serve(
    shard: Annotated[Path, typer.Argument(help="Folder of a shard.")],
    host: Annotated[
        str, typer.Option(help=f"Address to listen on; any address but the local 127.0.0.1 needs ${KEY_VARIABLE}.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 chooses a free one.", min=0, max=65535)] = 9000,
) -> None:
    """Hold a shard of reference records and answer the questions of `cardiograph serve --shard`.

    Only the service should reach this address: put both into a private network, because the answers contain values of
    patients and are not encrypted. The service sends the secret in $CARDIOGRAPH_SHARD_KEY.
    """
    from cardiograph.inference.held_shard import HeldShard
    from cardiograph.service.server import AnnouncingServer, Listening
    from cardiograph.service.settings import is_loopback
    from cardiograph.service.shard_app import ShardApp

    key = os.environ.get(KEY_VARIABLE) or None
    if key is None and not is_loopback(host):
        message = f"shards serve --host {host}: set {KEY_VARIABLE} to a secret of this shard and its service"
        raise ConfigError(message)
    if key is not None and len(key) < MIN_KEY_LENGTH:
        message = f"{KEY_VARIABLE} has {len(key)} characters; use at least {MIN_KEY_LENGTH}"
        raise ConfigError(message)
    held = HeldShard.load(shard)
    first, stop = held.extent
    AnnouncingServer(
        ShardApp(held, key=key).app,
        Listening(host, port, idle_seconds=60),
        lambda url: typer.echo(f"serving {shard} (records {first}-{stop - 1}) on {url}", color=False),
    ).listen()
