"""Reference records added to a finished run: a new run with the same network, without a rebuild."""

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
from cardiograph.artifacts.run import RunDirectory
from cardiograph.cohort.manifest import read_cohort
from cardiograph.config import RunConfig, load_config
from cardiograph.containers import ADDED, Cohort
from cardiograph.errors import ConfigError, RunError
from cardiograph.external.admit import AdmittedRecords, admit, embedded, new_reference
from cardiograph.external.append_reference import append_reference
from cardiograph.external.cohort import read_pages, reading_notes, require_estimates
from cardiograph.external.match_records import SKIPPED, run_records
from cardiograph.inference import Predictor
from cardiograph.ingest.context import MEMORY, InputStore, RunContext
from cardiograph.ingest.page_index import data_hash
from cardiograph.progress import NoProgress, Progress
from cardiograph.run.metadata import PACKAGES
from cardiograph.threads import set_threads

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ExtensionResult:
    """An extended run.

    Args:
        path: Its folder.
        facts: ``extended`` of its ``run.json``.
    """

    path: Path
    facts: dict[str, Any]


def extend_run(  # noqa: PLR0913 - two runs, a cohort, and how it is read
    run: Path,
    source: Path,
    out: Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    ids_of: str | None = None,
    skip_known: bool = False,
    progress: Progress | None = None,
    command: str = "",
) -> ExtensionResult:
    """Make a run whose reference holds the records of a cohort, too.

    Nothing is fitted or trained: scaling, space and network are the run's, and what its reference records hear stays as
    it is. So the cost grows with the new records alone, and an answer changes only where one of them is among a query's
    neighbours. Calibration, threshold and uncertainty are void until an evaluation renews them.

    Args:
        run: Folder of a finished run; it is left as it is.
        source: Table, or folder with a folder per class; labels may be empty, or all of one class.
        out: Folder of the new run. Unfinished: goes on. Finished by the same call: returned.
        overrides: Settings by section for reading the cohort; each replaces the run's.
        ids_of: Where patient ids of the cohort name other people than those of the run: a name to set before them, so
            that ``p1`` becomes ``NAME:p1``.
        skip_known: Leave out records that the run has already or whose group it validated or tested, instead of
            refusing.
        progress: Callback that receives stage progress.
        command: The command line, for ``run.json``.

    Raises:
        CardiographError: The run, the cohort, a page or a setting cannot be used.
    """
    set_threads()
    progress = progress or NoProgress()
    base, directory = RunDirectory(run), RunDirectory(out)
    base.require_finished()
    _check_folders(run, source, out, ids_of)
    config = load_config(
        None,
        dict(overrides or {}),
        kind=RunConfig,
        base=base.config().model_dump(mode="json", exclude_none=True),
    )
    predictor = Predictor.load(run)
    require_estimates(predictor, run)
    read = read_cohort(source, config.cohort, outcome=config.outcome, one_class=True, reads=predictor.reads)
    cohort = _named(read, ids_of)
    numbers = {str(name): row + 1 for row, name in enumerate(cohort.record_ids)}
    with directory.locked(), PageCache(cache_folder()) as cache:
        context = RunContext(config, cache, progress, directory, inputs=InputStore(MEMORY))
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
        with context.stage("linking patients", 1):
            bundle = append_reference(predictor.bundle, new_reference(added, predictor))
        facts = identity | {
            "extends": run.resolve().name,
            "cohort": source.name,
            "created": time.strftime("%Y-%m-%d %H:%M %Z"),
            **_counts(cohort, added, predictor, bundle),
            "notes": [
                *reading_notes(added.dataset, predictor, base.read_json("run.json")["provenance"]),
                *added.notes,
                *([] if known.complete else [OLDER_RUN]),
            ],
            "renewed": None,
        }
        with context.stage("writing", 1):
            _write(directory, base, bundle, added, predictor)
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


OLDER_RUN = (
    "near-copies of the run's validation and test pages were not looked for: it was made by a version that does not keep "
    "what this needs"
)


def _check_folders(run: Path, source: Path, out: Path, ids_of: str | None) -> None:
    if out.resolve() == run.resolve():
        message = f"--out {out}: is the run itself, which is left as it is; choose another folder"
        raise ConfigError(message)
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        message = (
            f"run {out}: lies inside the cohort {source}, where it would be read as a class; choose another folder"
        )
        raise ConfigError(message)
    if ids_of is not None and not ids_of.strip():
        message = "--ids-of: is empty; give a name of the place whose patient ids these are"
        raise ConfigError(message)


def _named(cohort: Cohort, ids_of: str | None) -> Cohort:
    """The cohort with patient ids that tell whose they are."""
    if ids_of is None:
        return cohort
    table = cohort.table.copy()
    table["patient_id"] = [None if name is None else f"{ids_of}:{name}" for name in table["patient_id"]]
    return dataclasses.replace(cohort, table=table)


def _finished(directory: RunDirectory, identity: Mapping[str, Any]) -> bool:
    """Whether the folder holds this very extension, finished.

    Raises:
        RunError: It holds another run; what differs is named.
    """
    if not (directory.path / "run.json").exists():
        return False
    there = directory.read_json("run.json").get("extended")
    if there is None and directory.finished:
        message = f"run {directory.path}: is no extension but a run of its own; choose another folder"
        raise RunError(message)
    told = {"bundle": "extended run", "data_hash": "cohort", "ids_of": "--ids-of", "skip_known": "--skip-known"}
    differences = [
        f"{told[name]}: {_short((there or {}).get(name))} there, {_short(value)} now"
        for name, value in identity.items()
        if there is not None and there.get(name) != value
    ]
    if differences:
        message = (
            f"run {directory.path}: extends another run, or by another cohort; choose another folder or delete it\n  "
            + "\n  ".join(differences)
        )
        raise RunError(message)
    return directory.finished


def _short(value: object) -> str:
    return f"SHA-256 {value[:12]}" if isinstance(value, str) and len(value) == 64 else repr(value)


def _counts(cohort: Cohort, added: AdmittedRecords, predictor: Predictor, bundle: ModelBundle) -> dict[str, Any]:
    """How many records were read, left out, added, and stand in the reference."""
    dataset, labels = added.dataset, added.dataset.cohort.labels
    pages = 0 if dataset.page_index is None else len(dataset.page_index.skipped)
    return {
        "read": len(cohort),
        "left_out": {"page": pages, **dict.fromkeys(SKIPPED, 0), **added.skipped},
        "added": len(labels),
        "labels": {"0": int((labels == 0).sum()), "1": int((labels == 1).sum()), "none": int((labels < 0).sum())},
        "groups": len(np.unique(added.joined.groups)),
        "joined": added.joined.joined,
        "reference": {"before": len(predictor.bundle.reference), "after": len(bundle.reference)},
    }


def _before(base: RunDirectory) -> dict[str, Any]:
    """Scores of the run that was extended, on its own test records: of the last one in a row that had some."""
    if (base.path / "metrics.json").exists():
        metrics = base.read_json("metrics.json")
        return {name: metrics[name] for name in ("provenance", "test")} | {
            "counts": {"test": metrics["counts"]["test"]}
        }
    before: dict[str, Any] = base.read_json("run.json")["before"]
    return before


def _facts(base: RunDirectory, command: str) -> dict[str, Any]:
    """What ``run.json`` tells beside the extension: of the run that was extended, and of this one."""
    before = base.read_json("run.json")
    kept = ("outcome", "provenance", "source", "variables", "clinical_provenance", "encoder", "seeds", "cautions")
    return {
        **{name: before[name] for name in kept if name in before},
        "created": time.strftime("%Y-%m-%d %H:%M %Z"),
        "command": command,
        "versions": {
            "python": sys.version.split()[0],
            "platform": platform.platform(),
            **{name: version(name) for name in PACKAGES},
        },
    }


def _write(
    directory: RunDirectory, base: RunDirectory, bundle: ModelBundle, added: AdmittedRecords, predictor: Predictor
) -> None:
    """Tables of old and new records, and the bundle."""
    import pandas as pd

    table, split = base.read_table("cohort.parquet"), base.read_table("split.parquet")
    new = _table_rows(added, list(table.columns))
    directory.write_table("cohort.parquet", pd.concat([table, new], ignore_index=True))
    parts = pd.DataFrame({"record_id": list(added.names), "group": added.joined.groups, "part": ADDED})
    directory.write_table("split.parquet", pd.concat([split, parts], ignore_index=True))
    image = added.dataset.inputs.image
    if image is not None:
        before, page_index = base.read_arrays("embeddings.safetensors"), added.dataset.page_index
        arrays = {"image": np.vstack([before["image"], image])}
        if "likeness" in before:
            nothing = np.zeros((len(image), before["likeness"].shape[1]), np.uint8)
            arrays["likeness"] = np.vstack(
                [before["likeness"], nothing if page_index is None else page_index.perceptual_hashes]
            )
        directory.write_arrays("embeddings.safetensors", arrays)
    bundle.save(directory.path / "bundle", predictor.engine)


def _table_rows(added: AdmittedRecords, columns: Sequence[str]) -> pd.DataFrame:
    """The new records as rows of ``cohort.parquet``: the columns that the run's table has."""
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
