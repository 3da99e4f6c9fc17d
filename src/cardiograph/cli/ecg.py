"""``cardiograph ecg``: show, measure and convert ECGs of any file format, without a cohort or a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiograph.cli.options import AsJson, SignalOptions
from cardiograph.cli.signature import with_options
from cardiograph.errors import ConfigError, InputError, Issue, PartialError

if TYPE_CHECKING:
    from cardiograph.ecg.ecg import Ecg
    from cardiograph.ecg.measure.measurements import Measurement, Measurements

ecg = typer.Typer(
    name="ecg",
    help="Show, measure and convert ECGs: signal files (WFDB, DICOM, XML, SCP-ECG, EDF, CSV ...), PDFs, and pictures "
    "of printed pages.",
    no_args_is_help=True,
)

PICTURES = {".png": "png", ".pdf": "pdf", ".svg": "svg"}
"""Suffix of a picture -> format of the figure."""

SIGNAL_FILES = {".hea": "wfdb", ".dat": "wfdb", ".csv": "csv", ".dcm": "dicom"}
"""Suffix of a signal file -> format of the writer."""

LISTED = ("heart_rate", "pr", "qrs_duration", "qtc_fridericia", "qrs_axis")
"""Measurements in the table of several files; the CSV and the JSON have all of them."""

EcgFile = Annotated[Path, typer.Argument(help="ECG file: a signal file, a PDF, or an image of a printed page.")]
Force = Annotated[bool, typer.Option("--force", help="Replace output files that exist; never the input.")]


@dataclass(frozen=True, kw_only=True)
class SourceOptions(SignalOptions):
    """How an ECG file is read; a file that contradicts a stated fact is refused."""

    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Format of the file, such as csv, instead of finding it; page digitises any image or PDF.",
            show_default="found from the file",
        ),
    ] = None
    page_number: Annotated[int, typer.Option("--page", help="Page of a PDF that is read, from 1.")] = 1

    def read(self, path: Path) -> Ecg:
        """Read a file.

        Raises:
            InputError: If it cannot be read as leads.
        """
        from cardiograph.ecg.read_any import read_any

        return read_any(path, file_format=self.file_format, **self._facts())

    def check(self) -> None:
        """Check the options before a file is read.

        Raises:
            ConfigError: If one of them is unknown or out of range.
        """
        from cardiograph.ecg.read_any import ANY_FORMAT
        from cardiograph.ecg.readers.source import ReadOptions

        if self.file_format is not None and self.file_format not in ANY_FORMAT:
            message = f"--format {self.file_format}: unknown; the formats are {', '.join(ANY_FORMAT)}"
            raise ConfigError(message)
        for option, value, rule in ReadOptions(**self._facts()).faults():
            message = f"--{option} {value}: {rule}"
            raise ConfigError(message)

    def _facts(self) -> dict[str, Any]:
        return {**self.facts, "page": self.page_number}


@ecg.command(
    epilog="Examples: cardiograph ecg show record.hea | cardiograph ecg show scan.jpg --out scan.pdf | "
    "cardiograph ecg show table.csv --rate 500 --unit uV"
)
@with_options
def show(
    file: EcgFile,
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Picture to write: .png, .svg or .pdf.", show_default="NAME-ecg.png in the working directory"
        ),
    ] = None,
    source: SourceOptions,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Draw the twelve leads on the standard grid, with the main measurements, and print these."""
    from cardiograph.cli import console

    out = Path(f"{file.stem}-ecg.png") if out is None else out
    kind = _format_of("--out", out, PICTURES)
    _refuse_to_replace([out], [file], force=force)
    source.check()
    found = source.read(file)
    measured = found.measure()
    _write({out: _picture(found, kind, measured, title=file.name)})
    if as_json:
        console.show_json({"picture": str(out), **_described(file, found, measured)})
        return
    _show_measurements(file, found, measured)
    typer.echo(f"picture: {out}")


@ecg.command(
    epilog="Examples: cardiograph ecg measure records/*.hea --csv measured.csv | cardiograph ecg measure scan.jpg --json"
)
@with_options
def measure(
    files: Annotated[list[Path], typer.Argument(help="ECG files of any formats, pages included.")],
    *,
    csv: Annotated[
        Path | None, typer.Option(help="CSV file with all measurements and a row for each ECG file.")
    ] = None,
    source: SourceOptions,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Measure rate, intervals, axes and amplitudes; files that cannot be read are named, and the others measured."""
    from cardiograph.cli import console

    source.check()
    if csv is not None:
        _refuse_to_replace([csv], files, force=force)
    with console.bars() as progress:
        progress.start("measuring", len(files), unit="files")
        rows: list[dict[str, Any]] = []
        issues: list[Issue] = []
        for file in files:
            try:
                found = source.read(file)
                rows.append(_described(file, found, found.measure()))
            except InputError as error:
                rows.append({"file": str(file), "not_measured": "; ".join(map(str, error.issues))})
                issues += error.issues
            progress.advance()
    if csv is not None:
        _write({csv: _table(rows).encode("utf-8", "surrogateescape")})
        typer.echo(f"measurements: {csv}", err=True)
    if as_json:
        console.show_json({"ecgs": rows, "issues": [dataclasses.asdict(issue) for issue in issues]})
    elif csv is None:
        _show_rows(rows)
    if issues and as_json:
        raise typer.Exit(PartialError.exit_code)
    if issues:
        failed = sum(bool(row["not_measured"]) for row in rows)
        message = f"{failed} of {len(rows)} files were not measured"
        raise PartialError(message, issues)


@ecg.command(
    epilog="Examples: cardiograph ecg convert scan.jpg record.hea | cardiograph ecg convert old.scp new.dcm --deidentify "
    "| cardiograph ecg convert record.xml record.pdf"
)
@with_options
def convert(
    file: EcgFile,
    out: Annotated[
        Path,
        typer.Argument(
            help="File to write; its suffix is the format: .hea (WFDB), .csv, .dcm (DICOM), .png, .pdf or .svg."
        ),
    ],
    *,
    deidentify: Annotated[
        bool,
        typer.Option(
            "--deidentify",
            help="Also leave out the start of the recording, and the name of the file on a picture. Names, ids, "
            "other dates and pixels of a page are never written.",
        ),
    ] = False,
    source: SourceOptions,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write an ECG in another format; of a page, the leads that were read from it, also as a new picture."""
    from cardiograph.cli import console
    from cardiograph.ecg.writers import ecg_files

    kind = _format_of("OUT", out, {**SIGNAL_FILES, **PICTURES})
    outputs = [out.with_suffix(".hea"), out.with_suffix(".dat")] if kind == "wfdb" else [out]
    _refuse_to_replace(outputs, [file], force=force)
    if deidentify and kind == "wfdb" and out.stem.casefold() == file.stem.casefold():
        message = (
            f"OUT {out}: with --deidentify, a record needs another name than the input, because its header states it"
        )
        raise ConfigError(message)
    source.check()
    found = source.read(file)
    if out.suffix.lower() in PICTURES:
        files = {out: _picture(found, kind, found.measure(), title="" if deidentify else file.name)}
    else:
        try:
            contents = ecg_files(found, kind, out.stem, keep_start=not deidentify)
        except ValueError as error:
            message = f"OUT {out}: {error}"
            raise ConfigError(message) from error
        files = dict(zip(outputs, contents.values(), strict=True))
    _write(files)
    if as_json:
        console.show_json({"files": [str(path) for path in files], **_facts(file, found)})
        return
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"written: {', '.join(map(str, files))}")


def _format_of(name: str, out: Path, formats: Mapping[str, str]) -> str:
    """Return the format that the suffix of an output file names."""
    kind = formats.get(out.suffix.lower())
    if kind is None:
        message = f"{name} {out}: the suffix names the format; use one of {', '.join(formats)}"
        raise ConfigError(message)
    return kind


def _refuse_to_replace(outputs: Sequence[Path], inputs: Sequence[Path], *, force: bool) -> None:
    """Check that no output is an input or a file of one, and, without ``force``, that none exists.

    Raises:
        ConfigError: If one does; the message asks for another name.
    """
    from cardiograph.ecg.pages import files_of

    for out in outputs:
        if not out.is_file():
            continue
        if any(path.exists() and out.samefile(path) for each in inputs for path in files_of(each)):
            message = f"{out}: is an input of the command; choose another name"
            raise ConfigError(message)
        if not force:
            message = f"{out}: exists already; choose another name, or replace it with --force"
            raise ConfigError(message)


def _picture(found: Ecg, kind: str, measured: Measurements, *, title: str) -> bytes:
    """Return the picture of an ECG as a file."""
    from cardiograph.ecg.draw.figure import SECONDS, ecg_figure, figure_bytes

    if found.duration > SECONDS + 0.05:
        typer.echo(f"note: the picture shows the first {SECONDS:g} s of {found.duration:.0f} s", err=True)
    return figure_bytes(ecg_figure(found, measured, title=title), kind)  # type: ignore[arg-type]


def _write(files: Mapping[Path, bytes]) -> None:
    from cardiograph.artifacts.files import write_output

    for path, content in files.items():
        write_output(path, content)


def _facts(file: Path, found: Ecg) -> dict[str, Any]:
    """Return what is known of an ECG besides its voltages."""
    return {
        "file": str(file),
        "format": found.source,
        "rate_hz": found.rate,
        "seconds": round(found.duration, 3),
        "leads": list(found.recorded),
        "derived": list(found.derived),
        "notes": list(found.notes),
    }


def _described(file: Path, found: Ecg, measured: Measurements) -> dict[str, Any]:
    return {**_facts(file, found), "not_measured": "", **measured.to_dict()}


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a CSV with a row for each file; cells of what was not measured are empty."""
    from cardiograph.artifacts.spreadsheet import csv_of
    from cardiograph.ecg.measure.reference import MEASUREMENTS

    texts = ("leads", "derived", "warnings", "notes")
    head = ("file", "not_measured", "format", "rate_hz", "seconds", *texts, *MEASUREMENTS)

    def cell(row: Mapping[str, Any], name: str) -> object:
        if name in texts:
            return " ".join(row.get(name, ()))
        if name in MEASUREMENTS:
            value = row["measurements"][name]["value"] if "measurements" in row else None
            return "" if value is None else float(f"{value:.6g}")
        return row.get(name, "")

    return csv_of(head, ([cell(row, name) for name in head] for row in rows))


def _number(value: float | None, unit: str) -> str:
    return "-" if value is None or value != value else f"{value:.{2 if unit == 'mV' else 0}f} {unit}".strip()


def _show_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Show a table with the main measurements of each file."""
    from rich.console import Console
    from rich.table import Table

    from cardiograph.cli.console import plain
    from cardiograph.ecg.draw.figure import SHORT_TITLES

    table = Table()
    table.add_column("file", overflow="fold")
    for name in LISTED:
        table.add_column(SHORT_TITLES[name], justify="right")
    for row in rows:
        found = row.get("measurements")
        cells = [_number(found[name]["value"], found[name]["unit"]) if found else "" for name in LISTED]
        table.add_row(plain(row["file"]), *cells, style="dim" if row["not_measured"] else "")
    Console().print(table)


def _show_measurements(file: Path, found: Ecg, measured: Measurements) -> None:
    """Show the facts of an ECG, its main measurements, all that are out of range, warnings and notes."""
    from rich.console import Console
    from rich.table import Table

    from cardiograph.cli.console import plain
    from cardiograph.ecg.draw.figure import HEADER
    from cardiograph.ecg.leads import LEADS
    from cardiograph.ecg.measure.reference import MEASUREMENTS

    console = Console()
    table = Table(
        "measurement",
        title=plain(f"{file.name}: {found.source}, {found.rate:g} Hz, {found.duration:.1f} s"),
    )
    table.add_column("value", justify="right")
    table.add_column("reference range", justify="right")
    table.add_column("")
    for name, each in measured.values.items():
        outside = each.in_range is False
        if name in HEADER or (outside and not MEASUREMENTS[name].per_lead):
            mark = "outside" if outside else ""
            table.add_row(
                plain(each.title or name), _value(each), each.range_text, mark, style="bold" if outside else ""
            )
    console.print(table)
    missing = [lead for lead in LEADS if lead not in found.recorded]
    facts = {"leads without a value": missing, "computed from other leads": found.derived}
    for title, leads in facts.items():
        if leads:
            console.print(f"{title}: {', '.join(leads)}", highlight=False)
    for text in (*measured.warnings, *found.notes):
        console.print(f"[yellow]note:[/] {plain(text)}", highlight=False)


def _value(each: Measurement) -> str:
    from cardiograph.cli.console import plain

    return plain(each.reason) if each.reason else _number(each.value, each.unit)
