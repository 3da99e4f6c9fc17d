"""``cardiograph predict``: a run on this machine is asked, or a running service."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiograph.cli import options
from cardiograph.cli.explain import show_explanation
from cardiograph.errors import ConfigError, PartialError, ServiceError

if TYPE_CHECKING:
    import pandas as pd

    from cardiograph.client import ServiceClient
    from cardiograph.config import CohortConfig
    from cardiograph.containers import Prediction, Query
    from cardiograph.explain import Explanation
    from cardiograph.progress import Progress
    from cardiograph.schema import ClinicalVariable

KEY = "CARDIOGRAPH_KEY"
"""The variable of the environment that may hold the key; no option does, because every user of a machine sees those."""

KEY_BYTES = 4096
"""Length of a key file at most: a device never ends."""


def predict(  # noqa: PLR0913 - a command has its options
    run: Annotated[
        Path | None, typer.Argument(help="Folder of a finished run.", show_default="none, with --url")
    ] = None,
    ecg: Annotated[Path | None, typer.Option(help="The patient's ECG page.")] = None,
    ef: Annotated[float | None, typer.Option(help="Ejection fraction, 0.05-0.90 (a fraction).")] = None,
    bnp: Annotated[float | None, typer.Option(help="Brain natriuretic peptide, pg/mL.")] = None,
    nyha: Annotated[float | None, typer.Option(help="NYHA class, 1-4.")] = None,
    sbp: Annotated[float | None, typer.Option(help="Systolic blood pressure, mmHg.")] = None,
    age: Annotated[float | None, typer.Option(help="Age, years.")] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(help="NAME=NUMBER, or NAME=WORD of a category, of another variable; may be given again."),
    ] = None,
    patient_id: Annotated[str | None, typer.Option(help="Leaves out reference records of the same patient.")] = None,
    gate: Annotated[
        bool | None,
        typer.Option(
            "--gate/--no-gate",
            help="Refuse a page that does not look like an upright ECG, or score it with a warning.",
            show_default="the run's setting",
        ),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Many patients: a table like the cohort's; labels may be absent.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the answers for --table go (CSV); stdout by default.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="With --table: all patients or none; a fault of one ends the command.")
    ] = False,
    explained: Annotated[
        bool, typer.Option("--explain", help="Also tell what moved the answer: values, page, similar records.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="Ask a running service, such as https://host, instead of a run.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="File with the service's key; else CARDIOGRAPH_KEY of the environment.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Score a patient, or a table of them, with a finished run: probability, class, and the similar records it leans on."""
    from cardiograph.cli import console

    source = run_or_service(run, url, key_file)
    named = {"ef": ef, "bnp": bnp, "nyha": nyha, "sbp": sbp, "age": age}
    clinical = {name: number for name, number in named.items() if number is not None}
    for name, text in options.pairs("--value", value or ()).items():
        if name in clinical:
            message = f"--value {name}={text}: {name} is given by --{name}, too"
            raise ConfigError(message)
        clinical[name] = _number_or_word(source, name, text)
    if table is not None:
        if ecg is not None or clinical or patient_id is not None or explained:
            message = "--table scores the patients of a file; it goes without --ecg, --patient-id, --explain and values"
            raise ConfigError(message)
        if out is not None:
            options.refuse_to_overwrite(out, run, [table, key_file])
        _predict_table(source, table, out, gate=gate, strict=strict, as_json=as_json)
        return
    from cardiograph.containers import Query
    from cardiograph.registry import WITHOUT_GRAPH

    query, explanation = Query(ecg, clinical, patient_id=patient_id, gate=gate), None
    if explained:
        explanation, network = explanation_and_network(source, query)
        prediction = explanation.prediction
    else:
        prediction, network = answer_and_network(source, query, named=not as_json)
    if as_json:
        more = {} if explanation is None else {"explanation": explanation.as_dict()}
        console.show_json(prediction.as_dict() | more)
        return
    console.show_prediction(prediction, heard=network not in WITHOUT_GRAPH)
    if explanation is not None:
        show_explanation(explanation)


def run_or_service(run: Path | None, url: str | None, key_file: Path | None) -> Path | ServiceClient:
    """Who is asked: the folder of a run, or a service with the key of the file, or else of the environment.

    Raises:
        ConfigError: Both are given, or neither; or the address or the key cannot be used.
    """
    if run is not None and url is not None:
        message = f"predict {run} --url {url}: a run on this machine, or a service; give one of them"
        raise ConfigError(message)
    if run is not None:
        if key_file is not None:
            message = "--key-file is the key of a service; it goes with --url"
            raise ConfigError(message)
        return run
    if url is None:
        message = "predict needs the folder RUN of a finished run, or --url of a service"
        raise ConfigError(message)
    from cardiograph.client import ServiceClient

    return ServiceClient(url, os.environ.get(KEY) or None if key_file is None else _key_in(key_file))


def answer_and_network(source: Path | ServiceClient, query: Query, *, named: bool) -> tuple[Prediction, str]:
    """One patient's answer, and the name of the network that gave it; empty where it need not be ``named``."""
    if isinstance(source, Path):
        from cardiograph.inference import Predictor

        predictor = Predictor.load(source)
        answer = predictor.predict(query.page, query.clinical, patient_id=query.patient_id, gate=query.gate)
        return answer, predictor.bundle.served.model.name
    with source:
        return source.predict(query), str(source.model().get("model")) if named else ""


def explanation_and_network(source: Path | ServiceClient, query: Query) -> tuple[Explanation, str]:
    """What moved one patient's answer, and the name of the network that gave it.

    Raises:
        ConfigError: A service is asked, which explains on its page.
    """
    if not isinstance(source, Path):
        message = "--explain goes with the folder RUN of a finished run; a service explains on its page"
        raise ConfigError(message)
    from cardiograph.explain import explain
    from cardiograph.inference import Predictor

    predictor = Predictor.load(source)
    found = explain(predictor, query)
    return found, predictor.bundle.served.model.name


def table_answers(
    source: Path | ServiceClient, table: Path, *, progress: Progress, gate: bool | None = None
) -> pd.DataFrame:
    """The answers for a table, with what was not read in ``attrs["notes"]``."""
    if isinstance(source, Path):
        from cardiograph.inference.table import score_table

        return score_table(source, table, progress=progress, gate=gate)
    with source:
        return _ask_for_table(source, table, progress, gate)


def _ask_for_table(service: ServiceClient, table: Path, progress: Progress, gate: bool | None) -> pd.DataFrame:
    """The service tells which variables there are; columns have our names and units, as the run's settings stay there."""
    from cardiograph.cohort.patients import read_patients
    from cardiograph.inference.table import answers_for

    model = service.model()
    config = _columns(model)
    names = [variable.name for variable in config.variables]
    return answers_for(
        read_patients(table, config, outcome="", reads=names),
        service.predict_each,
        variables=names,
        takes_pages=bool(model.get("takes_pages", True)),
        progress=progress,
        stage="asking the service",
        gate=gate,
    )


def _key_in(path: Path) -> str:
    try:
        with path.open("rb") as handle:  # may be a FIFO, such as <(pass show key)
            content = handle.read(KEY_BYTES + 1)
        if len(content) > KEY_BYTES:
            message = f"--key-file {path}: is longer than {KEY_BYTES} bytes, so it holds more than a key"
            raise ConfigError(message)
        return content.decode().strip()
    except (OSError, ValueError) as error:
        message = f"--key-file {path}: cannot be read; give a text file that holds the key and nothing else"
        raise ConfigError(message) from error


def _columns(model: Mapping[str, Any]) -> CohortConfig:
    """The columns of a table that hold the clinical variables of a model, as the service describes them."""
    from pydantic import ValidationError

    from cardiograph.config import CohortConfig, VariableConfig

    try:
        fields = [{key: told[key] for key in VariableConfig.model_fields if key in told} for told in model["variables"]]
        return CohortConfig(variables=tuple(VariableConfig(**each) for each in fields))
    except (KeyError, TypeError, ValidationError) as error:
        message = "the service does not tell the variables of its model as expected; compare the versions"
        raise ServiceError(message) from error


def _predict_table(
    source: Path | ServiceClient, table: Path, out: Path | None, *, gate: bool | None, strict: bool, as_json: bool
) -> None:
    """Write the answers, and say who has none.

    Raises:
        InputError: Some patients cannot be scored, and all were asked for; nothing is written.
        PartialError: Some patients were not scored; the answers of the others are written.
    """
    from cardiograph.artifacts.spreadsheet import csv_of_frame
    from cardiograph.cli import console
    from cardiograph.inference.table import all_or_none

    with console.bars() as shown:
        answers = table_answers(source, table, progress=shown, gate=gate)
    issues, refused = answers.attrs["issues"], int((answers["not_scored"] != "").sum())
    if issues and strict:
        raise all_or_none(issues, refused, len(answers))
    for note in answers.attrs["notes"]:
        typer.echo(f"note: {note}", err=True)
    if out is not None:
        from cardiograph.artifacts.files import write_output

        write_output(out, csv_of_frame(answers).encode("utf-8", "surrogateescape"))
        typer.echo(f"answers: {out}", err=True)
    elif as_json:
        told = answers.astype(object).where(answers.notna(), None)  # JSON has no NaN
        listed = [dataclasses.asdict(issue) for issue in issues]
        console.show_json({"predictions": told.to_dict("records"), "notes": answers.attrs["notes"], "issues": listed})
    else:
        sys.stdout.write(csv_of_frame(answers))
    if issues and as_json:
        raise typer.Exit(PartialError.exit_code)
    if issues:
        message = f"{refused} of {len(answers)} patients were not scored; column not_scored says why"
        raise PartialError(message, issues)


def _number_or_word(source: Path | ServiceClient, name: str, text: str) -> float:
    """The number of ``--value``, or the value of a category of the model."""
    try:
        return _number("--value", name, text)
    except ConfigError:
        variable = next((each for each in _variables_of(source) if each.name == name and each.categories), None)
        if variable is None:
            raise
    value = variable.category(text)
    if value is None:
        message = f"--value {name}={text}: the categories are {', '.join(variable.words)}; leave out what is not known"
        raise ConfigError(message)
    return value


def _variables_of(source: Path | ServiceClient) -> tuple[ClinicalVariable, ...]:
    if isinstance(source, Path):
        from cardiograph.inference import Predictor

        scaler = Predictor.load(source).bundle.scaler
        return () if scaler is None else scaler.variables
    return tuple(each.variable() for each in _columns(source.model()).variables)


def _number(option: str, name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not math.isfinite(number):
        message = f"{option} {name}={text}: not a number; leave out what is not known"
        raise ConfigError(message)
    return number
