"""Fit of one model in one fold, with settings chosen on validation records."""

from __future__ import annotations

import contextlib
import dataclasses
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.registry import BASELINES
from cardiograph.studies.compare.fitting import Fitted, fit_fold
from cardiograph.studies.compare.fold_data import FoldData, FoldPlace
from cardiograph.studies.compare.folds import blank_values, keep_labels
from cardiograph.studies.compare.kinds import Kind
from cardiograph.studies.compare.options import DEFAULT, Setting, configured, settings_of
from cardiograph.studies.shared_cohort import Modality
from cardiograph.train.data import Dataset

BYTES_PER_MIB = 1024**2
LABELS_KEPT, VALUES_BLANKED = "labels", "gone"
"""Kinds of conditions."""

NO_CONDITION = ("", 0.0)
SCARCE_LABEL_SETTING: Setting = {"fusion.unlabelled": True, "fusion.image_components": 64}
"""Setting of all models with scarce labels: scaling and components are fitted to unlabelled records as well."""


@dataclass(frozen=True)
class Task:
    """A fit to run.

    Args:
        modality: Inputs of the model.
        place: Repeat and fold.
        model: One of :data:`cardiograph.studies.compare.options.MODELS`.
        tuned: Whether the model chooses its settings.
        condition: Kind and share: ``labels`` kept, values ``gone``, or neither.
        rewired: Whether neighbours are random.
    """

    modality: Modality
    place: FoldPlace
    model: str
    tuned: bool = True
    condition: tuple[str, float] = NO_CONDITION
    rewired: bool = False

    def facts(self, *, kind: Kind = "binary") -> dict[str, Any]:
        """Return everything that determines the fit apart from data and configuration; see :func:`settings_of`."""
        image = self.modality != "clinical"
        grid = settings_of(self.model, image=image, tuned=self.tuned, kind=kind)
        return {**dataclasses.asdict(self), "grid": [dict(each) for each in grid], "tuned": len(grid) > 1}


@dataclass(frozen=True)
class FitResult:
    """Result of a fit.

    Args:
        probabilities: [labelled test records] probability of the outcome, in row order, by the horizon for the time to an
            event; [records, classes] of several classes, or [records, labels] of several labels, None where a label is
            unknown.
        log_loss: Loss of the labelled validation records, before calibration: the log loss, its mean over several labels,
            or the negative partial log likelihood for each event.
        setting: Chosen setting; empty for the plain configuration.
        seconds: Duration of fit, calibration and scoring with the chosen setting, in seconds.
        all_seconds: Duration with all settings, in seconds.
        peak_mib: Peak resident memory of the process during that fit, with libraries and cohort, in MiB.
    """

    probabilities: tuple[float | list[float | None], ...]
    log_loss: float
    setting: dict[str, Any]
    seconds: float
    all_seconds: float
    peak_mib: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "probabilities", tuple(self.probabilities))

    @property
    def predicted(self) -> NDArray[np.float64]:
        """``probabilities`` as an array, NaN where a label is unknown."""
        return np.array(self.probabilities, np.float64)


def make_fit(fold_data: FoldData, task: Task) -> FitResult:
    """Fit a model in a fold with each of its settings, and keep the one with the lowest validation loss.

    The loss is that before calibration: calibration is fitted on the same records and would favour flexible models. The
    choice of the setting does not use the test records.

    Args:
        fold_data: Cohort with its folds.
        task: Fit to run.
    """
    dataset = _under_condition(fold_data, task)
    name = fold_data.config.model.name if task.model == DEFAULT else task.model
    best: tuple[Fitted, Setting, float, float] | None = None
    spent = 0.0
    image = dataset.inputs.image is not None
    for setting in settings_of(task.model, image=image, tuned=task.tuned, kind=fold_data.kind):
        config = _config(fold_data.config, task, setting, image=image)
        _reset_peak_memory()
        start = time.perf_counter()
        found = fit_fold(fold_data, dataset, config, name=name, rewired=task.rewired)
        seconds = time.perf_counter() - start
        spent += seconds
        if best is None or found.loss < best[0].loss:
            best = (found, setting, seconds, _peak_mib())
    if best is None:
        message = f"{task.model} has no setting"
        raise ValueError(message)
    found, setting, seconds, peak = best
    known: list[Any] = np.where(np.isnan(found.predicted), None, found.predicted).tolist()  # type: ignore[call-overload]
    return FitResult(tuple(known), found.loss, dict(setting), seconds, spent, peak)


def best_baseline(fitted: dict[str, FitResult], baselines: Sequence[str] = BASELINES) -> str:
    """Return the baseline with the lowest validation loss; the first of equals.

    Args:
        fitted: Model -> fit in one fold and modality.
        baselines: Names of the baselines.
    """
    return min((name for name in baselines if name in fitted), key=lambda name: fitted[name].log_loss)


def _config(config: RunConfig, task: Task, setting: Setting, *, image: bool) -> RunConfig:
    repeat, fold = task.place
    if task.condition[0] == LABELS_KEPT:
        scarce = {key: value for key, value in SCARCE_LABEL_SETTING.items() if image or key == "fusion.unlabelled"}
        setting = {**setting, **scarce}
    return configured(config, setting, seed=config.seed + 1000 * repeat + fold)


def _under_condition(fold_data: FoldData, task: Task) -> Dataset:
    dataset = fold_data.dataset(task.modality, task.place)
    kind, share = task.condition
    seed = [fold_data.config.seed, *task.place]
    if kind == LABELS_KEPT:
        return keep_labels(dataset, share, np.random.default_rng([*seed, 10]))
    if kind == VALUES_BLANKED:
        return blank_values(dataset, share, np.random.default_rng([*seed, 11]))
    return dataset


def _reset_peak_memory() -> None:
    """Reset the peak memory where the system can (Linux); elsewhere it is the peak of the process so far."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mib() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / BYTES_PER_MIB if sys.platform == "darwin" else peak / 1024
