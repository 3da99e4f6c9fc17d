"""The program ``cardiograph``: its commands, and how errors become exit statuses."""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from cardiograph import __version__
from cardiograph.cli.audit import audit
from cardiograph.cli.config import config
from cardiograph.cli.demo import demo
from cardiograph.cli.ecg import ecg
from cardiograph.cli.evaluate import evaluate
from cardiograph.cli.explain import check_maps
from cardiograph.cli.extend import extend
from cardiograph.cli.import_cohort import import_cohort
from cardiograph.cli.monitor import monitor
from cardiograph.cli.predict import predict
from cardiograph.cli.pretrain import pretrain
from cardiograph.cli.records import audit_log, keys, records
from cardiograph.cli.report import report
from cardiograph.cli.run import run
from cardiograph.cli.serve import serve
from cardiograph.cli.shards import shards
from cardiograph.cli.studies import compare, ladder
from cardiograph.cli.synth import synth
from cardiograph.errors import CardiographError

EPILOG = (
    "Exit status: 0 success, 2 settings or options, 3 errors in the table, 4 errors in ECG files, 5 the run folder, "
    "6 encoder weights, 7 engine or precision, 8 the service's database, 9 a service that cannot answer, "
    "10 some patients of a table were not scored, or some files not measured, "
    "1 the audit blocks, `monitor --fail-on-alert` found an alert, the audit log is broken, or any other error."
)

OUTPUT_ERRNOS = frozenset({errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EPIPE})
"""Errors with which writing to stdout can fail."""

INTERRUPTED = 130
"""Exit status of a command that Ctrl-C ended."""

app = typer.Typer(
    name="cardiograph",
    help="Predict heart failure from ECG pages and clinical values over a graph of similar patients, and measure how "
    "well that works.\n\n"
    "Start with `cardiograph demo`. Then use `cardiograph audit COHORT` and `cardiograph run COHORT --out RUN` on your "
    "own table or folder, and `cardiograph predict RUN --ecg page.jpg --ef 0.34 ...` for one patient. "
    "For research use only.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(given: bool) -> None:
    if given:
        typer.echo(f"cardiograph {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Options of the program itself; its help is given where it is made."""


app.command(
    epilog="Example: cardiograph synth cohort/ --patients 600 --seed 1 && "
    "cardiograph run cohort/cohort.csv --out runs/first"
)(synth)

app.command(
    "import",
    epilog="Examples: cardiograph import --list | cardiograph import music downloads/music cohort/ --horizon 1y | "
    "cardiograph import ptb-xl downloads/ptb-xl-1.0.3 cohort/ --outcome mi",
)(import_cohort)

app.command(
    epilog="Examples: cardiograph run cohort.csv --out runs/a --map ntprobnp=NTproBNP --convert ef=percent | "
    "cardiograph run pages/ --positive heart_failure --out runs/b | "
    "cardiograph run cohort.csv --config my.toml --set model.epochs=50"
)(run)

app.command(
    epilog="Examples: cardiograph audit cohort.csv --map ntprobnp=NTproBNP | "
    "cardiograph audit pages/ --positive heart_failure | "
    "cardiograph audit cohort.csv --label-definition ef --json. Exit status 1 if a finding blocks."
)(audit)

app.command(
    epilog="Examples: cardiograph ladder pages/ --positive sick --weights random --quick | "
    "cardiograph ladder cohort.csv --seeds 5"
)(ladder)

app.command(
    epilog="Examples: cardiograph compare cohort.csv --quick | "
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
    epilog="Examples: cardiograph monitor runs/a this_month.csv --site hospital --time date --out monitor.html | "
    "cardiograph monitor runs/a this_month.csv --outcome died --fail-on-alert"
)(monitor)

app.command(
    epilog="Examples: cardiograph extend runs/a new_patients.csv --out runs/a2 | "
    "cardiograph extend runs/a registry.csv --out runs/a2 --skip-known"
)(extend)

app.command(
    epilog="Examples: cardiograph serve runs/a | cardiograph serve runs/a --host 0.0.0.0 --allow-host ecg.example.org"
)(serve)

app.command(
    epilog="Examples: cardiograph pretrain encoder/ --hearts 100000 --records unlabelled/ | "
    "cardiograph pretrain trial/ --hearts 2000"
)(pretrain)

app.add_typer(ecg)
app.add_typer(keys)
app.add_typer(shards)
app.add_typer(audit_log)
app.add_typer(records)

app.command()(report)
app.command(epilog="Example: cardiograph config --set model.name=gat --out my.toml")(config)
app.command()(demo)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program; an error that the user can fix becomes a message and an exit status."""
    atexit.register(gc.freeze)  # Python need not search what ends with the process: half a second of an audit
    try:
        _call(sys.argv[1:] if arguments is None else list(arguments))
    except OSError as error:
        if error.filename is not None or error.errno not in OUTPUT_ERRNOS:
            raise
        _end_without_output(error)


def _call(arguments: list[str]) -> None:
    try:
        app(arguments)
    except CardiographError as error:
        from cardiograph.cli import console

        console.show_error(error, as_json="--json" in arguments)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            sys.stderr.write("interrupted; the same command, given again, continues where it can\n")
        raise
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk raises here, where it can still be reported


def _end_without_output(error: OSError) -> None:
    """Report that stdout cannot be written, and exit; silently where its reader has closed it."""
    with contextlib.suppress(OSError, ValueError):  # discards what is still in the buffer
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if not isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError):
            reason = error.strerror or error
            sys.stderr.write(f"error: the output cannot be written ({reason}); make room or write it elsewhere\n")
    sys.exit(1)
