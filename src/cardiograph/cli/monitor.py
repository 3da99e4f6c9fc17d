"""``cardiograph monitor``: compare recent patients with those that a run was tested on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cardiograph.cli.options import ReadingOptions, RunArgument, reading_overrides
from cardiograph.cli.signature import with_options

WEEKS_SHOWN = 8
"""Latest weeks in the terminal; the report and the JSON have all of them."""


@with_options
def monitor(  # noqa: PLR0913 - a command has its options
    run: RunArgument,
    table: Annotated[Path, typer.Argument(help="Table of recent patients, as for `cardiograph predict --table`.")],
    *,
    outcome: Annotated[
        str | None, typer.Option(help="Column with the outcome; cells may be empty where it is not known yet.")
    ] = None,
    site: Annotated[str | None, typer.Option(help="Column with the hospital or department; each is compared.")] = None,
    time: Annotated[str | None, typer.Option(help="Column with the date of the ECG, to show each week.")] = None,
    alpha: Annotated[
        float, typer.Option(help="Chance of any false alert of drift, after the correction for all comparisons.")
    ] = 0.05,
    effect: Annotated[
        float,
        typer.Option(help="Smallest change that matters: the difference between shares of patients, from 0 to 1."),
    ] = 0.15,
    fail_on_alert: Annotated[
        bool, typer.Option("--fail-on-alert", help="Exit with status 1 if there is an alert, for a scheduled job.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write a report, such as monitor.html; inputs of the command and files of the run are refused."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write the result, or the error, to stdout as a single JSON object.")
    ] = False,
    options: ReadingOptions,
) -> None:
    """Compare recent patients with a run's validation and test patients: inputs, novelty, scores and outcomes.

    Scores the table with the model as it is served. Without --outcome it shows whether the patients have changed; with
    --outcome it also shows whether the probabilities still hold.
    """
    from cardiograph.artifacts import files
    from cardiograph.cli import console
    from cardiograph.cli.predict import refuse_to_overwrite
    from cardiograph.external.watch import Columns, monitor_table
    from cardiograph.external.watch_report import render_monitor
    from cardiograph.monitor.content import AlertRule

    rule = AlertRule(alpha, effect)
    if out is not None:
        refuse_to_overwrite(out, run, [table])
    with console.bars() as progress:
        found = monitor_table(
            run,
            table,
            columns=Columns(outcome, site, time),
            rule=rule,
            overrides=reading_overrides(options),
            progress=progress,
        )
    if out is not None:
        files.write_bytes(out, render_monitor(found).encode())
    if as_json:
        console.show_json({"page": None if out is None else str(out), **found})
    else:
        show_monitor(found, out)
    if fail_on_alert and found["alerts"]:
        raise typer.Exit(1)


def show_monitor(found: Mapping[str, Any], out: Path | None) -> None:
    """Show alerts, the largest changes, each week and site, notes, and the path of the report."""
    from rich.console import Console
    from rich.table import Table

    from cardiograph.cli.console import plain
    from cardiograph.external.watch_report import too_few, verdict
    from cardiograph.issue_groups import counted
    from cardiograph.report.tables import interval, number

    console, counts = Console(), found["counts"]
    for text in found["alerts"]:
        console.print(f"[bold red]alert:[/] {plain(text)}", highlight=False)
    recent = f"{counted(counts['records'], 'recent record')} ({found['provenance']})"
    title = plain(f"{recent}, {counted(counts['reference'], 'record')} of the run")
    drift = Table("changed most", "records", title=title)
    for heading in ("before", "now", "effect", "adjusted p"):
        drift.add_column(heading, justify="right")
    for row in found["comparisons"][:12]:
        values = (number(row["reference"]), number(row["recent"]), number(row["effect"]), number(row["adjusted_p"]))
        what = f"{row['what']} ({row['note']})" if row["note"] else row["what"]
        drift.add_row(plain(what), plain(row["records"]), *values)
    if found["comparisons"]:
        console.print(drift)
    else:
        console.print(title, highlight=False)
    levels = Table("records", title="volume and outcomes")
    for heading in ("number", "novel", "mean prob.", "obs./expected", "AUROC"):
        levels.add_column(heading, justify="right")
    rows = {"all": found["all"]}
    for kind, named in found["by"].items():
        shown = list(named)[-WEEKS_SHOWN:] if kind == "week" else list(named)
        rows |= {f"{kind} {name}": named[name] for name in shown}
    for name, row in rows.items():
        seen = row["performance"] or {}
        scores = [interval(seen.get(key)) if seen else "-" for key in ("observed_to_expected", "auroc")]
        novel = "-" if row["novel"] is None else f"{row['novel'] * 100:.1f} %"
        levels.add_row(plain(name), str(row["records"]), novel, number(row["mean_probability"]), *scores)
    console.print(levels)
    sentences = (f"{verdict(found)}.", too_few(found), found["rule"]["sentence"])
    console.print(plain(" ".join(filter(None, sentences))), highlight=False)
    for note in found["notes"]:
        console.print(plain(f"note: {note}"), highlight=False)
    if out is not None:
        console.print(f"report: {plain(str(out))}", highlight=False, soft_wrap=True)
