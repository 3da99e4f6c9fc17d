"""Writes report and model card from the files of a run; it computes no new results."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.reference_ecgs import ECGS
from cardiograph.artifacts.run import METRICS_FILE, RunDirectory
from cardiograph.containers import TEST, VAL
from cardiograph.errors import Issue, RunError
from cardiograph.evaluate.curves import PartCurves, part_curves
from cardiograph.evaluate.decision import rule_in_words
from cardiograph.evaluate.predictions import ModelRoles, PartPredictions
from cardiograph.evaluate.results import RunMetrics
from cardiograph.patient_map.content import MAP_FILE
from cardiograph.report.content import (
    CeilingContent,
    ClinicalContent,
    EncoderContent,
    GraphContent,
    LearningCurve,
    ReadingRow,
    ReportContent,
    Reproduction,
    SplitRow,
)
from cardiograph.report.figures import draw_figures, figure_files
from cardiograph.report.render import render_methods, render_model_card, render_report
from cardiograph.report.tripod import render_tripod
from cardiograph.run.map_ecgs import with_ecgs
from cardiograph.run.readings import READINGS_TABLE, reading_rows
from cardiograph.schema import ClinicalVariable


def write_report(directory: RunDirectory) -> None:
    """Write report, model card, TRIPOD+AI checklist, methods and figures from the other files of the run."""
    content = report_content(directory)
    pictures = draw_figures(content)
    directory.write_text("report.html", render_report(content, pictures))
    directory.write_text("model_card.md", render_model_card(content))
    directory.write_text("tripod_ai.md", render_tripod(content))
    directory.write_text("methods.md", render_methods(content))
    for name, drawing in figure_files(pictures).items():
        directory.write_bytes(f"figures/{name}", drawing)


def require_trained(directory: RunDirectory) -> None:
    """Raise RunError for an extended run: it trained no model and has no report."""
    if "extended" in directory.read_json("run.json"):
        message = (
            f"run {directory.path}: an extended run has no report; see the report of the run it extends, and that of "
            "`cardiograph evaluate`"
        )
        raise RunError(message)


def report_content(directory: RunDirectory) -> ReportContent:
    """Read the content of the report from the run's files."""
    facts, config = directory.read_json("run.json"), directory.config()
    roles = ModelRoles(**facts["roles"])
    parts = _predictions(directory, roles, tuple(facts.get("classes", ())))  # older runs have none
    cohort, split = directory.read_table("cohort.parquet"), directory.read_table("split.parquet")
    sheet = directory.read_bytes("pages.png")
    copies = facts["copies"]
    caption = "Encoder inputs of training records drawn at random, before scaling to 224 x 224 pixels."
    if config.needs == "leads":
        caption = "Pages of training records drawn at random; the encoder reads their leads."
    if copies:
        what = "Training records of the minority class, each next to an augmented copy"
        caption = f"{what} ({copies} copies, first four shown)."
    return ReportContent(
        title=f"{facts['source']} ({directory.path.resolve().name})",
        outcome=facts["outcome"],
        created=facts["created"],
        provenance=facts["provenance"],
        models=roles,
        metrics=_metrics(directory),
        test=parts[TEST],
        test_curves=_curves(parts[TEST], roles.primary, config.evaluation.confidence),
        validation=parts[VAL],
        split=_split_rows(cohort.assign(part=split["part"], group=split["group"])),
        threshold_chosen=rule_in_words(
            config.evaluation.threshold_rule,
            sensitivity=config.evaluation.sensitivity,
            net_benefit_at=config.evaluation.net_benefit_at,
        ),
        curves={name: _curve(curve) for name, curve in facts["curves"].items() if len(curve["val_loss"]) > 1},
        split_source=facts["split"]["source"],
        group_links=facts["split"]["links"],
        clinical=_clinical(facts, cohort, split),
        graph=_graph(directory, facts, config.graph.k, config.graph.metric),
        patient_map=with_ecgs(directory.read_json(MAP_FILE), directory)
        if (directory.path / MAP_FILE).exists()
        else None,
        stores_ecgs=(directory.path / "bundle" / ECGS).is_file(),
        encoder=_encoder(facts, config.pages.view),
        readings=_readings(directory, cohort, split, len(parts[TEST].classes) or 2),
        contact_sheet=sheet,
        contact_caption=caption if sheet else "",
        fusion_shares=facts["fusion"]["shares"],
        issues=tuple(Issue(**issue) for issue in facts["skipped"]),
        notes=tuple(_notes(facts)),
        ceiling=None if facts["ceiling"] is None else CeilingContent(**facts["ceiling"]),
        cautions=tuple(facts["cautions"]),
        audit=directory.read_json("audit.json"),
        reproduction=Reproduction(
            config_toml=config.to_toml(),
            seconds=facts["seconds"],
            versions=facts["versions"],
            seeds=facts["seeds"],
            hashes={"cohort": facts["data_hash"], "configuration": config.fingerprint()},
            command=facts["command"],
        ),
    )


def _metrics(directory: RunDirectory) -> RunMetrics:
    """Read the scores of a trained run, which all have to be there except the optimism of a split by rows."""
    metrics = directory.read_metrics()
    optional = {"inflation", "by_class", "confusion"}
    if absent := sorted(set(RunMetrics.model_fields) - metrics.model_fields_set - optional):
        message = f"{directory.path / METRICS_FILE}: lacks {', '.join(absent)}; the file is damaged, make the run again"
        raise RunError(message)
    return metrics


def _curves(part: PartPredictions, primary: str, confidence: float) -> tuple[PartCurves, ...]:
    """Return the curves of label 1, or of each of several classes against the rest."""
    if not part.classes:
        return (part_curves(part, primary, confidence=confidence),)
    found = part.probabilities[primary]
    each = (
        PartPredictions((part.labels == label).astype(np.int64), part.groups, {primary: found[:, label]})
        for label in range(len(part.classes))
    )
    return tuple(part_curves(against_rest, primary, confidence=confidence) for against_rest in each)


def _predictions(directory: RunDirectory, roles: ModelRoles, classes: tuple[str, ...]) -> dict[str, PartPredictions]:
    table = directory.read_table("predictions.parquet")
    parts = {}
    for part in (VAL, TEST):
        rows = table[table["part"] == part]
        parts[part] = PartPredictions(
            rows["label"].to_numpy(np.int64),
            rows["group"].to_numpy(np.int64),
            {name: probabilities_in(rows, name, classes) for name in roles.titles},
            classes,
        )
    return parts


def _split_rows(table: Any) -> tuple[SplitRow, ...]:  # noqa: ANN401 - a pandas frame
    known = bool(table["patient_id"].notna().any())
    rows = []
    for (part, label, name), found in table.groupby(["part", "label", "class_name"], sort=True):
        patients = int(found["patient_id"].nunique()) if known else None
        rows.append(SplitRow(part, name, int(label), len(found), patients, int(found["group"].nunique())))
    return tuple(rows)


def _curve(curve: dict[str, Any]) -> LearningCurve:
    names = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
    return LearningCurve(**{name: np.array(curve[name]) for name in names}, best_epoch=curve["best"])


def _clinical(facts: dict[str, Any], cohort: Any, split: Any) -> ClinicalContent | None:  # noqa: ANN401
    variables = tuple(ClinicalVariable(**variable) for variable in facts["variables"])
    if not variables:
        return None
    return ClinicalContent(
        variables,
        tuple(facts["clinical_provenance"]),
        cohort[[variable.name for variable in variables]].to_numpy(np.float64),
        cohort["label"].to_numpy(np.int64),
        split["part"].to_numpy(str),
    )


def _graph(directory: RunDirectory, facts: dict[str, Any], k: int, metric: str) -> GraphContent:
    drawn = directory.read_arrays("graph.safetensors")
    agreement, by_chance = (float(value) for value in drawn["agreement"])
    return GraphContent(
        xy=drawn["xy"],
        edges=drawn["edges"],
        labels=drawn["labels"],
        query=drawn["query"].astype(bool),
        records=facts["reference"],
        k=k,
        metric=metric,
        agreement=agreement,
        agreement_by_chance=by_chance,
        in_degree=drawn["in_degree"],
    )


def _encoder(facts: dict[str, Any], view: str) -> EncoderContent | None:
    encoder = facts["encoder"]
    if encoder is None:
        return None
    views = {"grid": "the area with the ECG grid", "whole": "the whole page", "box": "a fixed box"}
    return EncoderContent(
        weights=encoder["weights_source"],
        engine=encoder["engine"] + (" on CUDA" if encoder.get("device") == "cuda" else ""),
        precision=encoder["precision"],
        why=encoder["why"],
        title=encoder["title"],
        features=encoder["features"],
        dropped=len(facts["fusion"]["dead_image_features"]),
        view="" if encoder.get("reads") == "leads" else views[view],
        reads=encoder.get("reads", "page"),
        fingerprint=encoder["fingerprint"],
    )


def probabilities_in(rows: Any, name: str, classes: tuple[str, ...]) -> NDArray[np.float64]:  # noqa: ANN401 - a frame
    """Return the probabilities of a model in the predictions table: [records], or [records, classes]."""
    columns = [f"probability_{name}:{label}" for label in range(len(classes))]
    return np.asarray(rows[columns if classes else f"probability_{name}"].to_numpy(np.float64))


def _readings(
    directory: RunDirectory,
    cohort: Any,  # noqa: ANN401 - pandas frames
    split: Any,  # noqa: ANN401
    classes: int,
) -> tuple[ReadingRow, ...]:
    if not (directory.path / READINGS_TABLE).exists():
        return ()
    return reading_rows(directory.read_table(READINGS_TABLE), cohort["label"], split["part"], classes)


def _notes(facts: dict[str, Any]) -> list[str]:
    notes = [
        f"{each['variable']} was converted from {each['unit']} (column {each['column']!r})"
        for each in facts["conversions"]
    ]
    if facts["ignored_columns"]:
        notes.append(f"columns of the table that are not used: {', '.join(facts['ignored_columns'])}")
    return [*notes, *facts["notes"]]
