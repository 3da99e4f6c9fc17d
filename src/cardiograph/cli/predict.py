"""``cardiograph predict``: score patients with a run on this machine, or with a running service."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiograph.cli.explain import require_map_options, show_explanation, write_map
from cardiograph.cli.labels import no_explanation, show_labels
from cardiograph.cli.options import AsJson, ServiceOptions, SignalOptions, pairs
from cardiograph.cli.predict_options import ExplanationOptions, PatientOptions, TableOptions
from cardiograph.cli.predict_table import cohort_config, show_table, table_scores
from cardiograph.cli.signature import with_options
from cardiograph.errors import ConfigError

if TYPE_CHECKING:
    from cardiograph.client import ServiceClient
    from cardiograph.containers import Prediction, Query
    from cardiograph.containers.labels import LabelsPrediction
    from cardiograph.explain import Explanation
    from cardiograph.schema import ClinicalVariable

KEY_VARIABLE = "CARDIOGRAPH_KEY"
"""Environment variable that may hold the key. No option does, because other users of a machine can see options."""

MAX_KEY_BYTES = 4096
"""Maximum length of a key file; a device such as /dev/zero never ends."""

NAMED_VALUES = ("ef", "bnp", "nyha", "sbp", "age")
"""Clinical variables that have an option of their own."""


@with_options
def predict(  # noqa: PLR0913 - a command has its options
    run: Annotated[
        Path | None, typer.Argument(help="Folder of a finished run.", show_default="none, with --url")
    ] = None,
    *,
    patient: PatientOptions,
    signals: SignalOptions,
    service: ServiceOptions,
    gate: Annotated[
        bool | None,
        typer.Option(
            "--gate/--no-gate",
            help="Refuse a page that does not look like an upright ECG, or score it with a warning.",
            show_default="the run's setting",
        ),
    ] = None,
    many: TableOptions,
    explanation: ExplanationOptions,
    as_json: AsJson = False,
) -> None:
    """Score a patient, or a table of patients, with a finished run: probability, class and the most similar records."""
    from cardiograph.artifacts.label_folders import label_folders

    source, table = run_or_service(run, service.url, service.key_file), many.table
    if many.on != "threads" and (table is None or not isinstance(source, Path)):
        message = f"--on {many.on}: workers score the patients of --table with a run on this machine; leave it out"
        raise ConfigError(message)
    explained, of_class, curve = explanation.explained, explanation.of_class, explanation.curve
    if explanation.map_file is not None:
        require_map_options(explanation.map_file, explained=explained)
    clinical = _clinical_values(source, patient)
    reading = _reading(source, signals)
    folders = label_folders(source) if isinstance(source, Path) else {}
    if folders and (explained or of_class is not None):
        raise no_explanation(source, folders)
    if table is None:
        from cardiograph.containers import Query

        query = Query(patient.ecg, clinical, patient_id=patient.patient_id, gate=gate)
        if of_class is not None and not explained:
            message = f"--class {of_class}: names the class that --explain explains; add --explain, or leave it out"
            raise ConfigError(message)
        files = (curve, explanation.map_file)
        _predict_patient(source, query, reading, explained=of_class or explained, files=files, as_json=as_json)
        return
    if curve is not None:
        message = f"--curve {curve}: draws one patient and cannot be combined with --table; leave it out"
        raise ConfigError(message)
    if patient.ecg is not None or clinical or patient.patient_id is not None or explained or of_class is not None:
        message = (
            "--table scores the patients of a file; it cannot be combined with --ecg, --patient-id, --explain or values"
        )
        raise ConfigError(message)
    if many.out is not None:
        refuse_to_overwrite(many.out, run, [table, service.key_file])
    with_settings = partial(table_scores, source, table, gate=gate, reading=reading)
    show_table(with_settings, many.out, strict=many.strict, as_json=as_json)


def _reading(source: Path | ServiceClient, signals: SignalOptions) -> dict[str, Any]:
    """Return the settings for files of signals that replace those of the run.

    Raises:
        ConfigError: If they are given for a service, which reads files with the settings of its run.
    """
    facts = signals.facts
    if facts and not isinstance(source, Path):
        names = " and ".join(f"--{name}" for name, value in facts.items() if value is not None)
        message = f"{names} can only be used with a run on this machine; a service reads files with its run's settings"
        raise ConfigError(message)
    return facts


def _clinical_values(source: Path | ServiceClient, patient: PatientOptions) -> dict[str, float]:
    named = {name: getattr(patient, name) for name in NAMED_VALUES}
    clinical = {name: _number(f"--{name} {text}", text) for name, text in named.items() if text is not None}
    for name, text in pairs("--value", patient.value or ()).items():
        if name in clinical:
            message = f"--value {name}={text}: --{name} gives {name} already; remove one of them"
            raise ConfigError(message)
        clinical[name] = _number_or_word(source, name, text)
    return clinical


def _predict_patient(
    source: Path | ServiceClient,
    query: Query,
    reading: Mapping[str, Any],
    *,
    explained: bool | str,
    files: tuple[Path | None, Path | None],
    as_json: bool,
) -> None:
    """Show the prediction for a patient, and its explanation; a text names the class to be explained.

    The files are those of the risk over time and of the map of the leads.
    """
    from cardiograph.cli import console, survival
    from cardiograph.containers.labels import LabelsPrediction
    from cardiograph.containers.survival import SurvivalPrediction
    from cardiograph.registry import WITHOUT_GRAPH

    explanation = None
    prediction: Prediction | LabelsPrediction
    if explained:
        of_class = None if explained is True else explained
        explanation, model = explanation_and_model(source, query, reading, of_class)
        prediction = explanation.prediction
    else:
        prediction, model = prediction_and_model(source, query, reading, named=not as_json)
    curve, map_file = files
    if curve is not None:
        survival.write_curve(prediction, curve)
    if map_file is not None and explanation is not None:
        write_map(explanation, map_file)
    if as_json:
        more = {} if explanation is None else {"explanation": explanation.as_dict()}
        console.show_json(prediction.as_dict() | more)
        return
    if isinstance(prediction, LabelsPrediction):
        show_labels(prediction)
        return
    if isinstance(prediction, SurvivalPrediction):
        survival.show_risks(prediction)
    console.show_prediction(prediction, uses_graph=model not in WITHOUT_GRAPH)
    if explanation is not None:
        show_explanation(explanation)


def run_or_service(run: Path | None, url: str | None, key_file: Path | None) -> Path | ServiceClient:
    """Return the folder of the run, or a client of the service with the key from the file or the environment.

    Raises:
        ConfigError: Both are given, or neither; or the address or the key cannot be used.
    """
    if run is not None and url is not None:
        message = f"predict {run} --url {url}: cannot use both a run on this machine and a service; give one of them"
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

    return ServiceClient(url, os.environ.get(KEY_VARIABLE) or None if key_file is None else _read_key(key_file))


def prediction_and_model(
    source: Path | ServiceClient, query: Query, reading: Mapping[str, Any], *, named: bool
) -> tuple[Prediction | LabelsPrediction, str]:
    """Return the prediction for a patient, and the name of the model; the name may be empty unless ``named``."""
    if isinstance(source, Path):
        from cardiograph.inference.labels import load_any

        predictor = load_any(source).with_pages(**reading)
        prediction = predictor.predict(query.page, query.clinical, patient_id=query.patient_id, gate=query.gate)
        return prediction, predictor.bundle.served.model.name
    with source:
        return source.predict(query), str(source.model().get("model")) if named else ""


def explanation_and_model(
    source: Path | ServiceClient, query: Query, reading: Mapping[str, Any], of_class: str | None
) -> tuple[Explanation, str]:
    """Return the explanation of a patient's prediction, and the name of the model.

    Raises:
        ConfigError: The source is a service, which explains in its web interface.
    """
    if not isinstance(source, Path):
        message = "--explain needs the folder RUN of a finished run; a service explains in its web interface"
        raise ConfigError(message)
    from cardiograph.explain import explain
    from cardiograph.inference.survival import load_predictor

    predictor = load_predictor(source).with_pages(**reading)
    return explain(predictor, query, class_name=of_class), predictor.bundle.served.model.name


def _read_key(path: Path) -> str:
    try:
        with path.open("rb") as handle:  # the file may be a FIFO, such as <(pass show key)
            content = handle.read(MAX_KEY_BYTES + 1)
        if len(content) > MAX_KEY_BYTES:
            message = f"--key-file {path}: is longer than {MAX_KEY_BYTES} bytes; give a file that holds only the key"
            raise ConfigError(message)
        return content.decode().strip()
    except (OSError, ValueError) as error:
        message = f"--key-file {path}: cannot be read; give a text file that holds only the key"
        raise ConfigError(message) from error


def _number_or_word(source: Path | ServiceClient, name: str, text: str) -> float:
    """Return the number of a ``--value``, or the value of the category that it names."""
    try:
        return _number(f"--value {name}={text}", text)
    except ConfigError:
        variable = next((each for each in _variables_of(source) if each.name == name and each.categories), None)
        if variable is None:
            raise
    value = variable.category(text)
    if value is None:
        message = f"--value {name}={text}: the categories are {', '.join(variable.words)}; leave out unknown values"
        raise ConfigError(message)
    return value


def _variables_of(source: Path | ServiceClient) -> tuple[ClinicalVariable, ...]:
    if isinstance(source, Path):
        from cardiograph.inference.labels import load_any

        scaler = load_any(source).bundle.scaler
        return () if scaler is None else scaler.variables
    return tuple(each.variable() for each in cohort_config(source.model()).variables)


def _number(option: str, text: str) -> float:
    """Return the number that an option gives.

    Raises:
        ConfigError: If it is no finite number; names the option as it was typed.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return number
    remedy = "write it with a decimal point, without commas" if "," in text else "leave out unknown values"
    message = f"{option}: not a number; {remedy}"
    raise ConfigError(message)


def refuse_to_overwrite(out: Path, run: Path | None, inputs: Sequence[Path | None]) -> None:
    """Check that an output file is not an input of the command, a file of the run, or an image.

    Args:
        out: Output file.
        run: Folder of the run, if there is one.
        inputs: Files that the command reads.

    Raises:
        ConfigError: It is one of these; the message asks for another name.
    """
    real = out.resolve()
    if not real.is_file():
        return
    same = next((path for path in inputs if path is not None and path.exists() and real.samefile(path)), None)
    reason = "" if same is None else f"is an input of the command (the same file as {same})"
    if not reason and run is not None and real.is_relative_to(run.resolve()):
        reason = f"belongs to the run {run}"
    if not reason and _is_image(real):
        reason = "is an image, perhaps a patient's ECG page"
    if reason:
        message = f"--out {out}: {reason}; choose another name"
        raise ConfigError(message)


def _is_image(path: Path) -> bool:
    from cardiograph.errors import PageError
    from cardiograph.imaging.reading import page_bytes

    try:
        page_bytes(path)
    except PageError:
        return False
    return True
