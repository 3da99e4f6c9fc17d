"""The command line; each command turns its options into a call of the library."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiograph.cli import options
from cardiograph.cli.evaluate import evaluate
from cardiograph.cli.explain import check_maps
from cardiograph.cli.extend import extend
from cardiograph.cli.predict import predict
from cardiograph.cli.records import audit_log, keys, records
from cardiograph.cli.serve import serve
from cardiograph.cli.studies import compare, ladder
from cardiograph.errors import CardiographError, ConfigError

EPILOG = (
    "Exit status: 0 done, 2 settings or options, 3 faults of the table, 4 faults of pages, 5 the run folder, "
    "6 encoder weights, 7 engine or precision, 8 the database of the service, 9 a service that is asked, "
    "10 some patients of a table were not scored, 1 the audit blocks "
    "or its log is broken, or anything else."
)

OUTPUT_FAULTS = frozenset({errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EPIPE})
"""What writing to stdout fails with."""

if TYPE_CHECKING:
    from cardiograph.config import RunConfig
    from cardiograph.run.pipeline import RunResult

app = typer.Typer(
    name="cardiograph",
    help="Predict heart failure from ECG pages and clinical values over a graph of similar patients, and say how well.\n\n"
    "Start with `cardiograph demo`; then `cardiograph audit COHORT` and `cardiograph run COHORT --out RUN` on your own "
    "table or folder, `cardiograph predict RUN --ecg page.jpg --ef 0.34 ...` for one patient. For research use.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(
    epilog="Example: cardiograph synth cohort/ --patients 600 --seed 1 && cardiograph run cohort/cohort.csv --out runs/first"
)
def synth(
    out: Annotated[Path, typer.Argument(help="A new folder for cohort.csv, pages/ and the truth.")],
    patients: Annotated[int, typer.Option(help="How many; about one in eight has two ECGs.")] = 600,
    seed: Annotated[int, typer.Option(help="Same seed, same files.")] = 0,
    as_json: options.AsJson = False,
) -> None:
    """Draw synthetic patients whose truth is known: ECG pages, clinical values, labels, and the best score possible."""
    from cardiograph.cli import console

    table = _synthesise(out, patients, seed)
    if as_json:
        console.show_json({"cohort": str(table), "patients": patients, "seed": seed})
    else:
        typer.echo(f"cohort: {table}\nnext:   cardiograph run {shlex.quote(str(table))} --out runs/first")


@app.command(
    epilog="Examples: cardiograph run cohort.csv --out runs/a --map ntprobnp=NTproBNP --convert ef=percent | "
    "cardiograph run pages/ --positive heart_failure --out runs/b | cardiograph run cohort.csv --config my.toml"
)
def run(  # noqa: PLR0913 - a command has its options
    context: typer.Context,
    cohort: options.CohortArgument,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; runs/NAME by default. Unfinished: goes on. Finished: shows it.")
    ] = None,
    config: options.ConfigFile = None,
    preset: options.Preset = None,
    weights: Annotated[
        str | None, typer.Option(help="imagenet (default), random (seeded, no download), or a weights file.")
    ] = None,
    positive: options.Positive = None,
    outcome: options.Outcome = None,
    map_: options.Map = None,
    convert: options.Convert = None,
    missing: options.Missing = None,
    decimal: options.Decimal = None,
    modality: options.Modality = None,
    label_definition: options.LabelDefinition = None,
    accept: options.Accept = None,
    simulate: options.Simulate = None,
    view: options.View = None,
    skip_bad_pages: options.SkipBadPages = False,
    gate: options.Gate = None,
    balance: Annotated[str | None, typer.Option(help="none, weights or augment.")] = None,
    model: Annotated[
        str | None, typer.Option(help="sign, gcn, gat, sage, mlp, logistic or knn_vote: the one that is kept.")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="openvino or torch.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, f32 or bf16.")] = None,
    seed: options.Seed = None,
    as_json: options.AsJson = False,
) -> None:
    """Learn from a cohort: audit, split by group, embeddings, graph, networks, scores with intervals, report."""
    from cardiograph.studies.faults.switches import load_settings

    settings = load_settings(config, options.config_overrides(context.params), preset=preset)
    _run(cohort, out or Path("runs") / cohort.resolve().stem, settings, as_json=as_json)


@app.command(
    epilog="Examples: cardiograph audit cohort.csv --map ntprobnp=NTproBNP | "
    "cardiograph audit pages/ --positive heart_failure | "
    "cardiograph audit cohort.csv --label-definition ef --json. Exit status 1 where something blocks."
)
def audit(  # noqa: PLR0913 - a command has its options
    context: typer.Context,
    cohort: options.CohortArgument,
    out: Annotated[
        Path | None, typer.Option(help="Folder for audit.html and audit.json; audits/NAME by default. Written again.")
    ] = None,
    config: options.ConfigFile = None,
    positive: options.Positive = None,
    outcome: options.Outcome = None,
    map_: options.Map = None,
    convert: options.Convert = None,
    missing: options.Missing = None,
    decimal: options.Decimal = None,
    modality: options.Modality = None,
    label_definition: options.LabelDefinition = None,
    accept: options.Accept = None,
    simulate: options.Simulate = None,
    view: options.View = None,
    skip_bad_pages: options.SkipBadPages = False,
    gate: options.Gate = None,
    seed: options.Seed = None,
    as_json: options.AsJson = False,
) -> None:
    """Find what would make a score on this cohort worthless, before anything is learnt from it."""
    from cardiograph.artifacts.files import write_bytes, write_json
    from cardiograph.cli import console
    from cardiograph.config import load_config
    from cardiograph.report.audit import audit_page
    from cardiograph.run.audit import audit_cohort

    folder = out or Path("audits") / cohort.resolve().stem
    if cohort.is_dir() and folder.resolve().is_relative_to(cohort.resolve()):
        message = (
            f"audit {folder}: lies inside the cohort {cohort}, where it would be read as a class; choose another --out"
        )
        raise ConfigError(message)
    settings = load_config(config, options.config_overrides(context.params))
    with console.bars() as shown:
        found = audit_cohort(cohort, settings, progress=shown)
    write_bytes(folder / "audit.html", audit_page(found).encode())
    write_json(folder / "audit.json", found.as_dict())
    if as_json:
        console.show_json(found.as_dict())
    else:
        console.show_audit(found, str(folder / "audit.html"))
    if found.blocks:
        raise typer.Exit(1)


app.command(
    epilog="Examples: cardiograph ladder pages/ --positive sick --weights random --quick | "
    "cardiograph ladder cohort.csv --seeds 5"
)(ladder)

app.command(
    epilog="Examples: cardiograph compare cohort.csv --weights random --quick | "
    "cardiograph compare cohort.csv --models default,gcn,logistic --scarcity --missingness | "
    "cardiograph compare cohort.csv --own-split"
)(compare)


app.command(
    epilog="Examples: cardiograph predict runs/a --ecg page.jpg --ef 0.34 --bnp 463 --nyha 3 --sbp 132 --age 70 | "
    "cardiograph predict runs/a --table new_patients.csv --out answers.csv | "
    "cardiograph predict --url https://host --key-file key.txt --ecg page.jpg --ef 0.34"
)(predict)

app.command(epilog="Example: cardiograph check-maps runs/a --pages 40")(check_maps)

app.command(
    epilog="Examples: cardiograph evaluate runs/a other_hospital.csv | "
    "cardiograph evaluate runs/a other_hospital.csv --map ntprobnp=NTproBNP --convert ef=percent --skip-unlabelled"
)(evaluate)

app.command(
    epilog="Examples: cardiograph extend runs/a new_patients.csv --out runs/a2 | "
    "cardiograph extend runs/a registry.csv --out runs/a2 --skip-known"
)(extend)

app.command(
    epilog="Examples: cardiograph serve runs/a | cardiograph serve runs/a --host 0.0.0.0 --allow-host ecg.example.org"
)(serve)

for group in (keys, audit_log, records):
    app.add_typer(group)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    as_json: options.AsJson = False,
) -> None:
    """Write report.html and model_card.md of a finished run again, and show its scores."""
    from cardiograph.artifacts.run import RunDirectory
    from cardiograph.run.report import require_trained, write_report

    directory = RunDirectory(run)
    directory.require_finished()
    require_trained(directory)
    with directory.locked():
        write_report(directory)
    _show(run, directory.read_json("metrics.json"), as_json=as_json)


@app.command()
def config(
    out: Annotated[Path | None, typer.Option(help="Write here instead of to stdout.")] = None,
    check: Annotated[Path | None, typer.Option(help="Check this TOML file instead, and write it back whole.")] = None,
    preset: options.Preset = None,
) -> None:
    """Write every setting with its meaning and default as TOML, ready to edit."""
    from cardiograph.artifacts.files import write_output
    from cardiograph.cli.config_template import commented_toml
    from cardiograph.studies.faults.switches import load_settings

    text = commented_toml(load_settings(check, {}, preset=preset))
    if out is None:
        sys.stdout.write(text)
    elif out.is_file() or out.is_dir():
        message = f"{out}: exists already; choose another name"
        raise ConfigError(message)
    else:
        write_output(out, text.encode())


DEMO = {
    "outcome": "heart failure (synthetic)",
    "encoder": {"weights": "random"},
    "split": {"train": 0.48, "val": 0.32, "test": 0.20},
}
"""Settings of the demo. A yes or a no needs 50 validation records of each class, of which about a quarter are positive."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the cohort and the run.")] = Path("demo"),
    patients: Annotated[int, typer.Option(help="How many synthetic patients.")] = 600,
    seed: Annotated[int, typer.Option(help="Of the patients.")] = 1,
    as_json: options.AsJson = False,
) -> None:
    """The whole way on synthetic patients, offline: draw them, learn, score, report. A minute or three."""
    table = out / "cohort" / "cohort.csv"
    told = table.parent / "synthetic.json"
    if not told.exists():
        _synthesise(table.parent, patients, seed)
    from cardiograph.artifacts.files import read_json

    drawn = read_json(told)
    if (drawn.get("patients"), drawn.get("seed")) != (patients, seed):
        message = (
            f"{out}: holds {drawn.get('patients')} patients of seed {drawn.get('seed')}, "
            f"asked for {patients} of seed {seed}; choose another folder by --out, or remove this one"
        )
        raise ConfigError(message)
    from cardiograph.config import load_config

    settings = load_config(None, DEMO)
    _run(table, out / "run", settings, as_json=as_json)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: errors that the user can put right become a message and an exit status."""
    try:
        _call(sys.argv[1:] if arguments is None else list(arguments))
    except OSError as error:
        if error.filename is not None or error.errno not in OUTPUT_FAULTS:
            raise
        _end_without_output(error)


def _call(arguments: list[str]) -> None:
    try:
        app(arguments)
    except CardiographError as error:
        from cardiograph.cli import console

        console.show_error(error, as_json="--json" in arguments)
        sys.exit(error.exit_code)
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a full disk can still be named


def _end_without_output(error: OSError) -> None:
    """Say that stdout takes no more, and end; quietly where its reader has left."""
    with contextlib.suppress(OSError, ValueError):  # what is still in the buffer goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if not isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError):
            reason = error.strerror or error
            sys.stderr.write(f"error: the output cannot be written ({reason}); make room or write it elsewhere\n")
    sys.exit(1)


def _synthesise(out: Path, patients: int, seed: int) -> Path:
    from cardiograph.cli import console
    from cardiograph.synthesis.cohort import write_cohort
    from cardiograph.threads import available_threads

    with console.bars() as shown:
        done = 0

        def told(pages: int, total: int) -> None:
            nonlocal done
            if not done:
                shown.start("drawing pages", total, unit="pages")
            shown.advance(pages - done)
            done = pages

        return write_cohort(out, patients=patients, seed=seed, workers=available_threads(), progress=told)


def _run(cohort: Path, out: Path, settings: RunConfig, *, as_json: bool) -> None:
    from cardiograph.cli import console
    from cardiograph.studies.faults.switches import FaultyConfig

    command = shlex.join(["cardiograph", *sys.argv[1:]])
    with console.bars() as shown:
        if isinstance(settings, FaultyConfig):
            from cardiograph.studies.faults.steps import run_as_configured

            result = run_as_configured(cohort, out, settings, progress=shown, command=command)
        else:
            from cardiograph.run.pipeline import run as run_pipeline

            result = run_pipeline(cohort, out, settings, progress=shown, command=command)
    _show(result.path, result.metrics, result, as_json=as_json)


def _show(run: Path, metrics: dict[str, Any], made: RunResult | None = None, *, as_json: bool) -> None:
    from cardiograph.artifacts.run import RunDirectory
    from cardiograph.cli import console
    from cardiograph.registry import TITLES

    facts = RunDirectory(run).read_json("run.json")
    cautions, pages = facts.get("cautions", []), facts.get("page_notes", [])
    if as_json:
        told = {
            "run": str(run),
            "report": str(run / "report.html"),
            "metrics": metrics,
            "cautions": cautions,
            "page_notes": pages,
        }
        paces = {"seconds": made.seconds, "images_per_second": made.images_per_second} if made else {}
        rounded = {name: {key: round(each, 3) for key, each in pace.items()} for name, pace in paces.items()}
        console.show_json(told | rounded)
    else:
        if made and made.seconds:
            console.show_seconds(made.seconds, made.images_per_second)
        console.show_result(metrics, TITLES, str(run / "report.html"), cautions=cautions, notes=pages)
