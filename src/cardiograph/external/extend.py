"""Extends a finished run: a new run with the same network and more reference records, without training."""

from __future__ import annotations

import dataclasses
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.cache import PageCache, cache_folder
from cardiograph.artifacts.run import METRICS_FILE, RunDirectory
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import RunConfig
from cardiograph.containers import ADDED, Cohort
from cardiograph.errors import ConfigError, RunError
from cardiograph.external.admit import ECGS_STORED, AdmittedRecords, admit, ecgs_with, embedded, new_reference
from cardiograph.external.append_reference import append_reference
from cardiograph.external.cohort import kind_notes, read_pages, reading_notes, require_estimates
from cardiograph.external.evaluate import reading_settings
from cardiograph.external.match_records import SKIPPED, run_records
from cardiograph.imaging.hashing import hashes_of_width
from cardiograph.inference import Predictor
from cardiograph.inference.survival import load_predictor
from cardiograph.ingest.context import MAX_INPUT_BYTES, InputStore, RunContext
from cardiograph.ingest.page_index import data_hash
from cardiograph.progress import NoProgress, Progress
from cardiograph.run.metadata import PACKAGES
from cardiograph.run.survival_report import read_survival_metrics
from cardiograph.threads import set_threads
from cardiograph.train.novelty_gates import fit_gates
from cardiograph.uncertainty.calibrators import Calibrator
from cardiograph.uncertainty.uncertainty import Uncertainty

if TYPE_CHECKING:
    import pandas as pd


MANY_RECORDS, MANY_SHARE = 20, 0.1
"""Number and share of the new records above which those of one patient are pointed out."""


@dataclass(frozen=True)
class ExtensionResult:
    """An extended run.

    Args:
        path: Folder of the run.
        facts: Content of ``extended`` in its ``run.json``.
    """

    path: Path
    facts: dict[str, Any]


def extend_run(  # noqa: PLR0913 - two runs, a cohort, and how it is read
    run: str | Path,
    source: str | Path,
    out: str | Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    ids_of: str | None = None,
    skip_known: bool = False,
    progress: Progress | None = None,
    command: str = "",
) -> ExtensionResult:
    """Make a run whose reference also contains the records of another cohort.

    Nothing is fitted or trained: scaling, space and network are those of the run, and the neighbours of its reference
    records do not change. The cost therefore depends on the number of new records only, and a prediction changes only
    if one of them is among the neighbours of the query. Calibration, threshold and uncertainty are dropped until
    :func:`cardiograph.external.recalibrate.recalibrate_run` fits them again. A model of a time-to-event outcome has
    neither calibration nor threshold; its novelty gates are fitted again to the distances of the reference records.

    Args:
        run: Folder of a finished run; it is not changed.
        source: Table, or folder with one folder per class; labels may be empty, or all of one class, and so may
            follow-up.
        out: Folder of the new run. An unfinished run of the same call is resumed; a finished one is returned.
        overrides: Settings by section for reading the cohort, which replace the run's.
        ids_of: Prefix for the patient ids of the cohort, if the same id means different people in cohort and run:
            ``p1`` becomes ``NAME:p1``.
        skip_known: Leave out records that the run already has, or whose group it validated or tested, instead of
            raising.
        progress: Callback that receives stage progress.
        command: Command line, for ``run.json``.

    Raises:
        CardiographError: If the run, the cohort, a page or a setting cannot be used.
    """
    set_threads()
    run, source, out = Path(run), Path(source), Path(out)
    progress = progress or NoProgress()
    base, directory = RunDirectory(run), RunDirectory(out)
    base.require_finished()
    _check_folders(run, source, out, ids_of)
    predictor = load_predictor(run)
    require_estimates(predictor, run)
    config = reading_settings(base, overrides or {}, predictor)
    outcome = config.outcome if predictor.follows_up else config.outcome.name
    read = read_cohort(source, config.cohort, outcome=outcome, one_class=True, reads=predictor.reads)
    cohort = _named(read, ids_of)
    numbers = {str(name): row + 1 for row, name in enumerate(cohort.record_ids)}
    with directory.locked(), PageCache(cache_folder()) as cache:
        context = RunContext(config, cache, progress, directory, inputs=InputStore(MAX_INPUT_BYTES))
        read, page_index = read_pages(cohort, predictor, context)
        hashed = data_hash(read, page_index)
        identity = {
            "bundle": predictor.bundle.sha256,
            "data_hash": hashed,
            "ids_of": ids_of,
            "skip_known": skip_known,
        }
        if _finished(directory, identity):
            return ExtensionResult(out, directory.read_json("run.json")["extended"])
        known = run_records(base, predictor.bundle)
        added = admit((read, page_index), known, predictor, context, numbers=numbers, skip_known=skip_known)
        directory.begin(base.config(), hashed)
        directory.record({"extended": identity})
        added = embedded(added, predictor, context)
        context.inputs.clear()
        new = new_reference(added, predictor)
        with context.stage("linking patients", len(new.labels)):
            bundle = append_reference(predictor.bundle, new, progress.advance)
            if predictor.follows_up:
                bundle = _with_gates(bundle, base.config())
        facts = identity | {
            "extends": run.resolve().name,
            "kind": "survival" if predictor.follows_up else "binary",
            "cohort": source.name,
            "created": time.strftime("%Y-%m-%d %H:%M %Z"),
            **_counts(cohort, added, predictor, bundle),
            "notes": [
                *reading_notes(added.dataset, predictor, base.read_json("run.json")["provenance"]),
                *kind_notes(added.dataset, base.read_json("run.json")),
                *added.notes,
                *_one_patient(added),
                *([] if predictor.bundle.reference.ecgs is None else [ECGS_STORED]),
            ],
            "renewed": None,
        }
        with context.stage("writing", 1):
            _write(directory, base, added)
            bundle.save(directory.path / "bundle", predictor.engine, ecgs=ecgs_with(predictor.bundle, added, context))
            directory.record(
                {
                    "extended": facts,
                    "before": _before(base),
                    "reference": len(bundle.reference),
                    **_facts(base, command),
                    "seconds": context.seconds,
                    "images_per_second": context.images_per_second,
                }
            )
        directory.finish()
    return ExtensionResult(out, facts)


def _with_gates(bundle: ModelBundle, config: RunConfig) -> ModelBundle:
    """Return the bundle of a time-to-event outcome with novelty gates, which need no outcomes of other records."""
    uncertainty = fit_gates(Uncertainty(Calibrator("none", {})), bundle, config.evaluation.novelty, seed=config.seed)
    return dataclasses.replace(bundle, uncertainty=uncertainty)


def _check_folders(run: Path, source: Path, out: Path, ids_of: str | None) -> None:
    if out.resolve() == run.resolve():
        message = f"--out {out}: is the run itself, which must not change; choose another folder"
        raise ConfigError(message)
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        message = f"run {out}: is inside the cohort {source}, where it would be read as a class; choose another folder"
        raise ConfigError(message)
    if ids_of is not None and not ids_of.strip():
        message = "--ids-of: is empty; give the name of the place that assigned these patient ids"
        raise ConfigError(message)


def _named(cohort: Cohort, ids_of: str | None) -> Cohort:
    """Return the cohort with patient ids prefixed by the name of their place."""
    if ids_of is None:
        return cohort
    table = cohort.table.copy()
    table["patient_id"] = [None if name is None else f"{ids_of}:{name}" for name in table["patient_id"]]
    return dataclasses.replace(cohort, table=table)


def _finished(directory: RunDirectory, identity: Mapping[str, Any]) -> bool:
    """Return whether the folder contains this extension, finished.

    Raises:
        RunError: If the folder contains another run; the message names the differences.
    """
    if not (directory.path / "run.json").exists():
        return False
    there = directory.read_json("run.json").get("extended")
    if there is None and directory.finished:
        message = f"run {directory.path}: is not an extension but a separate run; choose another folder"
        raise RunError(message)
    titles = {"bundle": "extended run", "data_hash": "cohort", "ids_of": "--ids-of", "skip_known": "--skip-known"}
    differences = [
        f"{titles[name]}: {_short((there or {}).get(name))} there, {_short(value)} now"
        for name, value in identity.items()
        if there is not None and there.get(name) != value
    ]
    if differences:
        message = (
            f"run {directory.path}: extends another run or uses another cohort; choose another folder or delete it\n  "
            + "\n  ".join(differences)
        )
        raise RunError(message)
    return directory.finished


def _short(value: object) -> str:
    return f"SHA-256 {value[:12]}" if isinstance(value, str) and len(value) == 64 else repr(value)


def _counts(cohort: Cohort, added: AdmittedRecords, predictor: Predictor, bundle: ModelBundle) -> dict[str, Any]:
    """Count the records that were read, left out, added, and are in the reference."""
    dataset, labels = added.dataset, added.dataset.cohort.labels
    pages = 0 if dataset.page_index is None else len(dataset.page_index.skipped)
    return {
        "read": len(cohort),
        "left_out": {"page": pages, **dict.fromkeys(SKIPPED, 0), **added.skipped},
        "added": len(labels),
        "labels": {"0": int((labels == 0).sum()), "1": int((labels == 1).sum()), "none": int((labels < 0).sum())},
        "groups": len(np.unique(added.assignment.groups)),
        "joined": added.assignment.joined,
        "reference": {"before": len(predictor.bundle.reference), "after": len(bundle.reference)},
    }


def _one_patient(added: AdmittedRecords) -> list[str]:
    """Return a note if one patient has many of the new records, as with an id column that is the same in all rows."""
    _, counts = np.unique(added.assignment.groups, return_counts=True)
    most, total = int(counts.max(initial=0)), len(added.assignment.groups)
    if most < MANY_RECORDS or most <= MANY_SHARE * total:
        return []
    return [f"one patient or page has {most} of the {total} new records; check the patient ids"]


def _before(base: RunDirectory) -> dict[str, Any]:
    """Return the test scores of the run that was extended, or of the last run before it that had test scores."""
    if (base.path / METRICS_FILE).exists():
        if base.config().outcome.kind == "survival":
            return read_survival_metrics(base).as_dict()
        return base.read_metrics().test_scores.as_dict()
    before: dict[str, Any] = base.read_json("run.json")["before"]
    return before


def _facts(base: RunDirectory, command: str) -> dict[str, Any]:
    """Return the metadata for ``run.json``: what is copied from the extended run, and date, command and versions."""
    before = base.read_json("run.json")
    copied = ("outcome", "provenance", "source", "variables", "clinical_provenance", "encoder", "seeds", "cautions")
    return {
        **{name: before[name] for name in copied},
        **({"follow_up": before["follow_up"]} if "follow_up" in before else {}),
        "created": time.strftime("%Y-%m-%d %H:%M %Z"),
        "command": command,
        "versions": {
            "python": sys.version.split()[0],
            "platform": platform.platform(),
            **{name: version(name) for name in PACKAGES},
        },
    }


def _write(directory: RunDirectory, base: RunDirectory, added: AdmittedRecords) -> None:
    """Write the tables of old and new records."""
    import pandas as pd

    table, split = base.read_table("cohort.parquet"), base.read_table("split.parquet")
    new = _table_rows(added, list(table.columns))
    directory.write_table("cohort.parquet", pd.concat([table, new], ignore_index=True))
    parts = pd.DataFrame({"record_id": list(added.names), "group": added.assignment.groups, "part": ADDED})
    directory.write_table("split.parquet", pd.concat([split, parts], ignore_index=True))
    image = added.dataset.inputs.image
    if image is not None:
        before, page_index = base.read_arrays("embeddings.safetensors"), added.dataset.page_index
        nothing = np.zeros((len(image), before["likeness"].shape[1]), np.uint8)
        likeness = nothing if page_index is None else hashes_of_width(page_index.perceptual_hashes, nothing.shape[1])
        arrays = {"image": np.vstack([before["image"], image]), "likeness": np.vstack([before["likeness"], likeness])}
        directory.write_arrays("embeddings.safetensors", arrays)


def _table_rows(added: AdmittedRecords, columns: Sequence[str]) -> pd.DataFrame:
    """Return the new records as rows of ``cohort.parquet``, with the columns of the run's table."""
    dataset = added.dataset
    new = dataset.cohort.table.copy()
    new.attrs = {}
    new["record_id"] = list(added.names)
    if dataset.page_index is not None:
        new["pixel_hash"] = [each or "" for each in dataset.page_index.pixel_hashes]
    if "pixel_hash" in columns and "pixel_hash" not in new:
        new["pixel_hash"] = ""
    clinical = dataset.inputs.clinical
    if clinical is not None:
        for column, variable in enumerate(clinical.variables):
            new[variable.name] = clinical.values[:, column]
    return new.reindex(columns=list(columns))
