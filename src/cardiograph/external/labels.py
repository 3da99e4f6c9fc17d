"""Evaluates a run with several labels on a second cohort: an evaluation of each label, and a summary of all."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from cardiograph.artifacts import files
from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.artifacts.label_folders import LABELS_FILE, label_folders
from cardiograph.artifacts.run import RunDirectory
from cardiograph.artifacts.spreadsheet import csv_of_frame
from cardiograph.cohort.label_columns import LabelColumns, label_config, read_label_columns
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import RunConfig
from cardiograph.containers import Cohort
from cardiograph.errors import ConfigError, RunError
from cardiograph.external.cohort import (
    build_external_dataset,
    labelled_records,
    left_out_notes,
    require_estimates,
)
from cardiograph.external.evaluate import (
    REPORT,
    RESULT,
    TABLE,
    UNFINISHED,
    EvaluationRequest,
    ExternalResult,
    claim,
    evaluate_dataset,
    refuse_inside,
    required_threshold,
    run_settings,
)
from cardiograph.inference import Predictor
from cardiograph.ingest.context import MAX_INPUT_BYTES, InputStore, RunContext
from cardiograph.issue_groups import counted
from cardiograph.progress import NoProgress, Progress
from cardiograph.registry import TITLES
from cardiograph.report.panel import Answer, Summary, alert, scale_of
from cardiograph.report.tables import number
from cardiograph.report.template import fill
from cardiograph.run.label_summary import joined_predictions, macro_auroc
from cardiograph.threads import set_threads
from cardiograph.train.data import Dataset
from cardiograph.wording import WORDINGS

if TYPE_CHECKING:
    import pandas as pd


def evaluate_labels(  # noqa: PLR0913 - a run, a cohort, a folder, and how the cohort is read
    run: str | Path,
    source: str | Path,
    out: str | Path | None = None,
    *,
    labels: Sequence[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    skip_unlabelled: bool = False,
    other_ids: bool = False,
    progress: Progress | None = None,
    command: str = "",
) -> ExternalResult:
    """Score a second cohort with a run that predicts several labels.

    A record whose value of a label is unknown has no part in the scores of that label.

    Args:
        run: Folder of a finished run with several labels.
        source: Table with a column for each label.
        out: Folder of a summary, with the evaluation of each label in a folder of its own; ``evaluations/NAME`` by
            default.
        labels: Labels to evaluate; all of the run if None.
        overrides: As for :func:`cardiograph.external.evaluate.evaluate_cohort`.
        skip_unlabelled: Leave out records of which no label is known instead of raising.
        other_ids: As for :func:`cardiograph.external.evaluate.evaluate_cohort`.
        progress: Callback that receives stage progress.
        command: Command line, for the reports.

    Returns:
        The summary.

    Raises:
        CardiographError: If the run, the cohort, a page or a setting cannot be used.
    """
    set_threads()
    run, source, progress = Path(run), Path(source), progress or NoProgress()
    folder = Path(out or Path("evaluations") / source.resolve().stem)
    folders = _chosen(run, labels)
    refuse_inside(source, folder)
    predictors = {name: Predictor.load(path) for name, path in folders.items()}
    for name, predictor in predictors.items():
        require_estimates(predictor, folders[name])
        required_threshold(predictor, folders[name])
    config = run_settings(RunDirectory(next(iter(folders.values()))), overrides or {})
    columns, cohort = _read(source, config, predictors)
    known = columns.of(cohort).known
    joint = labelled_records(_labelled(cohort, np.where(known, 0, -1)), skip=skip_unlabelled)
    with PageCache(cache_folder()) as cache:
        context = RunContext(config, cache, progress, inputs=InputStore(MAX_INPUT_BYTES))
        dataset = build_external_dataset(joint, next(iter(predictors.values())), context)
    notes = left_out_notes(cohort, joint, dataset)
    identity = {"run": run.resolve().name, "bundle": " ".join(each.bundle.sha256 for each in predictors.values())}
    claim(folder, identity)
    results, tables = {}, {}
    for place, (name, predictor) in enumerate(predictors.items()):
        settings = run_settings(RunDirectory(folders[name]), overrides or {})
        request = EvaluationRequest(
            RunDirectory(folders[name]), folder / name, settings, source.name, other_ids, command, progress
        )
        part, rows = _of_label(dataset, columns, place)
        unknown = len(dataset.cohort) - len(rows)
        left = [f"left out: {counted(unknown, 'record')} without a known value of {name}"] if unknown else []
        found = [*notes, *left]
        results[name], table = evaluate_dataset(request, predictor, part, notes=found)
        tables[name] = table.assign(group=dataset.split.groups.index[rows])
    content = {**identity, "kind": "multilabel", **request.facts, **_summary(run, results, tables, config)}
    _write(folder, content, tables)
    return ExternalResult(folder, content)


def _chosen(run: Path, labels: Sequence[str] | None) -> dict[str, Path]:
    """Return label -> folder of its run, of the labels to evaluate."""
    folders = label_folders(run)
    if not folders:
        message = f"run {run}: does not predict several labels; evaluate it without naming labels (--label)"
        raise RunError(message)
    if unknown := [name for name in labels or () if name not in folders]:
        message = f"--label {', '.join(unknown)}: run {run} predicts {', '.join(folders)}; choose among these"
        raise ConfigError(message)
    return {name: path for name, path in folders.items() if labels is None or name in labels}


def _read(source: Path, config: RunConfig, predictors: Mapping[str, Predictor]) -> tuple[LabelColumns, Cohort]:
    """Read the columns of the labels, and the records."""
    first, predictor = next(iter(predictors.items()))
    names = list(predictors)
    if len(names) == 1:
        one = read_cohort(source, label_config(config, first).cohort, outcome=first, reads=predictor.reads)
        return LabelColumns((first,), one.labels[:, None], one.record_ids), one
    columns = read_label_columns(source, settings_of_labels(config, names))
    cohort = read_cohort(source, label_config(config, first).cohort, outcome=first, reads=predictor.reads)
    return columns, cohort


def settings_of_labels(config: RunConfig, names: Iterable[str]) -> RunConfig:
    """Return the settings of the run of one label as those of a run with several."""
    content = config.model_dump(exclude={"outcome"})
    content["cohort"]["map"].pop("label", None)
    return RunConfig.model_validate({**content, "outcome": {"columns": list(names)}})


def _labelled(cohort: Cohort, labels: np.ndarray) -> Cohort:
    """Return the cohort with other labels."""
    attrs = cohort.table.attrs
    table = cohort.table.assign(label=labels)
    table.attrs = attrs
    return dataclasses.replace(cohort, table=table)


def _of_label(dataset: Dataset, columns: LabelColumns, place: int) -> tuple[Dataset, np.ndarray]:
    """Return the records whose value of a label is known, with this label, and their rows."""
    labels = columns.of(dataset.cohort).values[:, place]
    rows = np.flatnonzero(labels >= 0)
    whole = dataclasses.replace(
        dataset,
        cohort=_labelled(dataset.cohort, labels),
        inputs=dataclasses.replace(dataset.inputs, labels=labels),
    )
    return whole.of(rows), rows


def _summary(
    run: Path, results: Mapping[str, ExternalResult], tables: Mapping[str, pd.DataFrame], config: RunConfig
) -> dict[str, Any]:
    """Return the scores of each label, and their mean with an interval from resamples of groups."""
    own = files.read_json(run / LABELS_FILE)
    kept = ("provenance", "threshold", "cautions", "notes", "counts", "scores", "internal", "met")
    named = {
        name: table.rename(columns={"probability": f"probability_{own['model']}"}) for name, table in tables.items()
    }
    records = len(set().union(*(table["record_id"] for table in tables.values())))
    return {
        "model": own["model"],
        "labels": {name: {key: result.content[key] for key in kept} for name, result in results.items()},
        "macro_auroc": macro_auroc(named, own["model"], config).as_dict(),
        "internal_macro_auroc": own["macro_auroc"][own["model"]]
        if len(results) == len(own["labels"]) and "macro_auroc" in own
        else None,
        "bootstrap": {
            "resamples": config.evaluation.for_records(records).bootstrap,
            "confidence": config.evaluation.confidence,
        },
    }


def _panel(content: Mapping[str, Any]) -> Summary:
    """Return the answers at the top of the summary."""
    labels, confidence = content["labels"], content["bootstrap"]["confidence"]
    cautions = [f"{name}: {each}" for name, label in labels.items() for each in label["cautions"]]
    known = [label["counts"]["records"] for label in labels.values()]
    records = f"{min(known)}" if min(known) == max(known) else f"{min(known)} to {max(known)}"
    positive = ", ".join(f"{name} {label['counts']['positive']}" for name, label in labels.items())
    auroc, own = SimpleNamespace(**content["macro_auroc"]), content["internal_macro_auroc"]
    answers = (
        Answer(
            "What is predicted?",
            f"{len(labels)} labels at once",
            f"{', '.join(labels)}. {TITLES[content['model']]} gives each record a probability of each label.",
        ),
        Answer(
            "Which records?",
            f"{records} records of {content['cohort']}",
            f"Records whose label is known. Positive: {positive}.",
        ),
        Answer(
            "Macro AUROC on this cohort",
            number(auroc.value),
            f"Mean over the labels; intervals from {content['bootstrap']['resamples']} resamples of whole groups.",
            "number",
            scale_of(auroc, confidence),
        ),
        Answer(
            "And on the run's own test records?",
            "Not comparable" if own is None else f"Macro AUROC {number(own['value'])}",
            "Only some labels were evaluated, or the run was extended since."
            if own is None
            else "The records are different, so the difference is not tested.",
        ),
    )
    wording = WORDINGS[next(iter(labels.values()))["provenance"]]
    purpose = "The models of the run, exactly as they are served. Nothing was fitted or chosen on this cohort."
    return Summary(answers, alert(wording, cautions), purpose)


def _write(folder: Path, content: dict[str, Any], tables: Mapping[str, pd.DataFrame]) -> None:
    joined = joined_predictions({name: table[["record_id", "label", "probability"]] for name, table in tables.items()})
    files.write_bytes(folder / TABLE, csv_of_frame(joined).encode("utf-8", "surrogateescape"))
    context = {
        "found": content,
        "title": TITLES[content["model"]],
        "summary": _panel(content),
    }
    page = fill("labels_evaluation.html", context, package="cardiograph.external")
    files.write_bytes(folder / REPORT, page.encode())
    files.write_json(folder / RESULT, content)
    (folder / UNFINISHED).unlink(missing_ok=True)
