"""Compares the recent predictions of the service with the held-out patients of its run, at most once in a while."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.artifacts.run import RunDirectory
from cardiograph.config import EvaluationConfig
from cardiograph.errors import CardiographError
from cardiograph.inference import Predictor
from cardiograph.inference.answers import NOVEL as NOVEL_WARNING
from cardiograph.inference.labels import LabelsPredictor
from cardiograph.monitor.content import AlertRule, Recent, Reference, recent_content
from cardiograph.monitor.sample import (
    MISSING,
    NO_ECG,
    NOVEL,
    PROBABILITY,
    Sample,
    reference_sample,
    sample,
    whole_variables,
)
from cardiograph.monitor.weeks import week_of
from cardiograph.service.records import Watched
from cardiograph.service.state import Serving

MOST = 20_000
"""Predictions that are compared: the newest ones."""

FEWEST = 5
"""Predictions below which only their number is given: the mean probability of one patient is that patient's."""

NO_VALUES = "every clinical value is missing"
"""Name of the flag of patients without any clinical value."""

_BLOCK_FLAGS = {"image": NO_ECG, "measurements": NO_ECG, "clinical": NO_VALUES}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Snapshot:
    """A finished comparison.

    Args:
        computed_at: When it was computed.
        since: Start of the period.
        content: As of :func:`cardiograph.monitor.content.recent_content`; None without predictions.
        notes: Whole sentences about what is not compared.
    """

    computed_at: datetime
    since: datetime
    content: Mapping[str, Any] | None
    notes: tuple[str, ...]


class Monitoring:
    """Comparison of recent predictions, kept until it is older than the setting ``monitoring_minutes``.

    Args:
        serving: Application state.
        example: Returns the hashes of page and values of the example patient, whose predictions are left out.
    """

    def __init__(self, serving: Serving, example: Callable[[], tuple[str | None, str]]) -> None:
        self._serving, self._example = serving, example
        self._turn = asyncio.Lock()
        self._latest: Snapshot | None = None

    @property
    def stale(self) -> bool:
        """Whether there is no comparison, or it is too old."""
        oldest = datetime.now(UTC) - timedelta(minutes=self._serving.settings.monitoring_minutes)
        return self._latest is None or self._latest.computed_at < oldest

    async def latest(self) -> Snapshot:
        """Return the comparison; compute it first if there is none or it is too old.

        Raises:
            ProblemError: 503, if the records cannot be read.
        """
        async with self._turn:
            if self._latest is None or self.stale:
                self._latest = await self._serving.with_records(self._compute)
                self._serving.metrics.watch(self._latest)
            return self._latest

    def _compute(self) -> Snapshot:
        now, serving = datetime.now(UTC), self._serving
        since = now - timedelta(days=serving.settings.monitoring_days)
        example = self._example()
        found = serving.records.outcomes.with_predictions(serving.model_sha256, since, most=MOST)
        rows = [_light(row) for row in found if row.input != example]
        reference, notes = self._reference
        if not rows:
            return Snapshot(now, since, None, notes)
        notes += (f"Only the newest {MOST:,} predictions are compared.",) if len(rows) >= MOST else ()
        if not any(row.clinical for row in rows) and self._variables:
            notes += (
                "The clinical values of patients are not compared, because this service does not store them. "
                "Whether they are missing is known.",
            )
        recent = self._recent(rows)
        return Snapshot(now, since, _without_few(recent_content(reference, recent, AlertRule())), notes)

    @cached_property
    def _variables(self) -> tuple[str, ...]:
        scaler = self._serving.predictor.bundle.scaler
        return () if scaler is None else tuple(each.name for each in scaler.variables)

    @cached_property
    def _blocks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_BLOCK_FLAGS[name] for name in self._serving.predictor.bundle.fusion.layout[1]))

    @property
    def _binary(self) -> Predictor | None:
        """The model, if its outcome is binary; others have no scores that are compared."""
        predictor = self._serving.predictor
        if isinstance(predictor, LabelsPredictor) or predictor.follows_up or predictor.bundle.served.classes:
            return None
        return predictor

    @cached_property
    def _reference(self) -> tuple[Reference, tuple[str, ...]]:
        """The held-out patients of the run, and a sentence if there are none."""
        nothing = Reference(None, None, EvaluationConfig(), 0)
        predictor = self._binary
        if predictor is None:
            return nothing, ("Only volume, missing blocks and novelty are watched for this kind of outcome.",)
        try:
            directory = RunDirectory(self._serving.settings.run)
            directory.require_finished()
            held_out, _ = reference_sample(predictor, directory)
            config, auroc = directory.config(), directory.read_metrics().test["auroc"].value
        except (CardiographError, OSError, KeyError):
            sentence = "This folder does not hold the test patients of the run, so nothing is compared with them."
            return nothing, (sentence,)
        absent = np.all([np.isnan(values) for values in self._values_of(held_out)], axis=0) if self._variables else None
        categories = dict(held_out.categories)
        if absent is not None:
            categories[NO_VALUES] = absent.astype(np.float64)
        return Reference(replace(held_out, categories=categories), auroc, config.evaluation, config.seed), ()

    def _values_of(self, held_out: Sample) -> list[Floats]:
        values = {**held_out.numbers, **held_out.categories}
        return [values[name] for name in self._variables]

    def _recent(self, rows: Sequence[Watched]) -> Recent:
        answers = [row.answer for row in rows]
        inputs = {each: number for number, each in enumerate(dict.fromkeys(row.input for row in rows))}
        return Recent(
            self._sample(rows),
            np.array([_label(row) for row in rows], np.int64),
            np.array([inputs[row.input] for row in rows], np.int64),
            np.array([bool(answer["missing"]) for answer in answers], bool),
            {"week": np.array([week_of(row.created_at.isoformat()) for row in rows], object)},
        )

    def _sample(self, rows: Sequence[Watched]) -> Sample:
        """Assemble the values; a value is NaN where it is missing, and its flag is NaN where that is not known."""
        stored = np.array([row.clinical is not None for row in rows], bool)
        blocks = {name: _column([(row.clinical or {}).get(name) for row in rows]) for name in self._variables}
        predictor = self._binary
        scored = {
            "probability": _column([row.answer["probability"] for row in rows]),
            "novelty": _column([row.answer["novelty"] for row in rows]),
            "novel": _column([row.answer["novel"] for row in rows]),
        }
        if not stored.any():
            blocks = {}
        found = sample(blocks, set() if predictor is None else whole_variables(predictor), scored, None)
        numbers = {name: each for name, each in found.numbers.items() if predictor is not None or name != PROBABILITY}
        categories = {
            name: each if name == NOVEL or not name.endswith(MISSING) else np.where(stored, each, np.nan)
            for name, each in found.categories.items()
        }
        for flag in self._blocks:
            lacking = [any(_BLOCK_FLAGS[block] == flag for block in row.answer["missing"]) for row in rows]
            categories[flag] = np.array(lacking, np.float64)
        return Sample(numbers, categories)


def _light(row: Watched) -> Watched:
    """Return a row with only those fields of the answer that are compared, of which many fit into memory."""
    answer = next(iter(row.answer["labels"].values())) if "labels" in row.answer else row.answer
    light = {
        "probability": answer["probability"],
        "novelty": answer["novelty"],
        "novel": any(text.startswith(NOVEL_WARNING) for text in answer["warnings"]),
        "missing": answer["missing"],
    }
    return row._replace(answer=light)


def _without_few(content: dict[str, Any]) -> dict[str, Any]:
    """Return a content in which fewer than :data:`FEWEST` predictions have no figures but their number."""

    def shown(summary: dict[str, Any]) -> dict[str, Any]:
        if summary["records"] >= FEWEST:
            return summary
        return {**summary, "missing": dict.fromkeys(summary["missing"]), "novel": None, "mean_probability": None}

    by = {kind: {level: shown(each) for level, each in levels.items()} for kind, levels in content["by"].items()}
    return {**content, "all": shown(content["all"]), "by": by}


def _label(row: Watched) -> int:
    """Return a binary outcome, -1 if it is not known. Other outcomes count as known, too: as 0, which nothing reads."""
    if row.outcome is None:
        return -1
    label = row.outcome.get("outcome", 0)
    return label if isinstance(label, int) else 0


def _column(values: Sequence[float | None]) -> Floats:
    return np.array([math.nan if value is None else value for value in values], np.float64)
