"""Extends a run with several labels: the same new reference records for the model of each label."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cardiograph.artifacts import files
from cardiograph.artifacts.label_folders import LABELS_FILE, label_folders
from cardiograph.artifacts.run import RunDirectory
from cardiograph.cohort.label_columns import read_label_columns
from cardiograph.external.evaluate import run_settings
from cardiograph.external.extend import ExtensionResult, extend_run
from cardiograph.external.labels import settings_of_labels
from cardiograph.inference.labels import LabelsPredictor
from cardiograph.progress import Progress
from cardiograph.threads import set_threads


def extend_labels(  # noqa: PLR0913 - two runs, a cohort, and how it is read
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
    """Make a run with several labels whose reference also contains the records of another cohort.

    The run of each label is extended by :func:`cardiograph.external.extend.extend_run`. A record whose value of a label
    is unknown is a neighbour without that label.

    Args:
        run: Folder of a finished run with several labels; it is not changed.
        source: Table with a column for each label, which may be empty or of one value.
        out: Folder of the new run, with a folder for each label. An unfinished run of the same call is resumed.
        overrides: As for :func:`cardiograph.external.extend.extend_run`.
        ids_of: As for :func:`cardiograph.external.extend.extend_run`.
        skip_known: As for :func:`cardiograph.external.extend.extend_run`.
        progress: Callback that receives stage progress.
        command: Command line, for the ``run.json`` of each label.

    Returns:
        The new run; its facts hold those of each label.

    Raises:
        CardiographError: If the run, the cohort, a page or a setting cannot be used.
    """
    set_threads()
    run, source, out = Path(run), Path(source), Path(out)
    folders, predictor = label_folders(run), LabelsPredictor.load(run)
    config = run_settings(RunDirectory(next(iter(folders.values()))), overrides or {})
    read_label_columns(source, settings_of_labels(config, folders), one_class=True, reads=predictor.reads)
    facts: dict[str, Any] = {}
    for name, folder in folders.items():
        result = extend_run(
            folder,
            source,
            out / name,
            overrides=_of_label(overrides or {}, name),
            ids_of=ids_of,
            skip_known=skip_known,
            progress=progress,
            command=command,
        )
        facts[name] = result.facts
    before = files.read_json(run / LABELS_FILE)
    summary = {
        "model": before["model"],
        "labels": {name: {"extended": found} for name, found in facts.items()},
        "before": before.get("before", before),
    }
    files.write_json(out / LABELS_FILE, summary)
    return ExtensionResult(out, {"kind": "multilabel", "labels": facts})


def _of_label(overrides: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the overrides with the column of a label, if they replace the names of columns."""
    cohort = dict(overrides.get("cohort", {}))
    if "map" in cohort:
        cohort["map"] = {**cohort["map"], "label": name}
    return {**overrides, **({"cohort": cohort} if cohort else {})}
