"""The scikit-learn estimator of the time to an event: risks, and the probability of being free of the event over time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_consistent_length, column_or_1d

from cardiograph.cohort.split import split_groups
from cardiograph.containers import TRAIN, VAL
from cardiograph.errors import CardiographError
from cardiograph.estimator.arrays import Floats, build_array_dataset, groups_of, prepare_arrays
from cardiograph.estimator.base import ArrayEstimator
from cardiograph.inference.survival import SurvivalPredictor, SurvivalScores
from cardiograph.run.survival import check_settings
from cardiograph.run.survival_bundle import event_quartiles, make_survival_bundle, outcome_of, survival_examples
from cardiograph.schema import UNLABELLED
from cardiograph.survival.heads import train_survival
from cardiograph.survival.outcome import EVENT, SurvivalOutcome, survival_outcome
from cardiograph.survival.scores import harrell_c

FIELDS = ("time", "event")
"""Columns of a DataFrame, or fields of a structured array, that hold the outcome."""


class PatientGraphSurvival(ArrayEstimator):
    """Model of the time to an event on a patient-similarity graph over arrays: embeddings, values of a table, or both.

    It is the discrete-time network of a run with a time-to-event outcome. ``fit`` holds out whole groups of the given
    rows to choose epoch and penalty. If there are too few groups with or without the event for that, the training rows
    take their place. Rows of ``fit`` are neighbours of all rows that are predicted later, so predicting them again is
    not a test: each finds itself.

    Args:
        k: Number of neighbours of each row.
        space: Space in which neighbours are searched: ``fused``, ``image`` or ``clinical``.
        image_columns: Number of leading columns that form the image block, as for :class:`PatientGraphClassifier`.
        image_components: Number of principal components of the image block; 0 keeps all values.
        validation: Share of the groups that ``fit`` holds out, 0 to below 1.
        epochs: Maximum number of epochs.
        random_state: Seed of the held-out groups and the initial weights.
        horizons: Increasing times, in the unit of ``y``, up to the last of which risk is predicted; the quartiles of the
            event times of the training rows if None.
        unit: Unit of the times: ``days``, ``weeks``, ``months`` or ``years``; it appears in predictions of
            ``predictor_`` only.

    Attributes:
        times_: [times] times of the predicted curves: an even grid from 0 to the last horizon, and the horizons.
        horizons_: The horizons.
        n_features_in_: Number of columns of ``X``.
        feature_names_in_: Names of the columns, if ``X`` had any.
        held_out_: [rows] whether ``fit`` held the row out.
        predictor_: The :class:`cardiograph.inference.survival.SurvivalPredictor` that computes every risk.
    """

    def __init__(  # noqa: PLR0913 - scikit-learn's parameters are flat
        self,
        k: int = 5,
        space: str = "fused",
        image_columns: int | None = None,
        image_components: int = 0,
        validation: float = 0.2,
        epochs: int = 300,
        random_state: int | np.random.RandomState | None = None,
        horizons: Sequence[float] | None = None,
        unit: str = "days",
    ) -> None:
        self.k = k
        self.space = space
        self.image_columns = image_columns
        self.image_components = image_components
        self.validation = validation
        self.epochs = epochs
        self.random_state = random_state
        self.horizons = horizons
        self.unit = unit

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn has no types
        """Return the tags: gaps in X are allowed, and times are above 0."""
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags

    def fit(self, X: Any, y: Any, groups: Sequence[Any] | None = None) -> Self:  # noqa: ANN401, N803 - their names
        """Fit preprocessing, graph and network.

        Args:
            X: [rows, columns] numbers, NaN where missing.
            y: [rows] DataFrame or structured array with ``time``, above 0, and ``event``: 1 or True for the event, 0 or
                False for censored, 2 to 9 for competing events. A row with neither (both NaN) is a neighbour only. An
                array of one dimension holds times at which every row had the event; a warning says so.
            groups: [rows] group of each row, such as a patient. Rows of one group stay in the same part of the split
                and are never neighbours of each other; each row is its own group if None.

        Raises:
            ValueError: If values, times, events, groups or parameters cannot be used; every faulty row is named.
        """
        if y is None:
            message = f"{type(self).__name__} requires y to be passed, but the target y is None"
            raise ValueError(message)
        values, _ = self._rows(X)
        try:
            self._fit(values, _follow_up(y), groups)
        except CardiographError as error:
            raise ValueError(str(error)) from error
        return self

    def predict(self, X: Any) -> Floats:  # noqa: ANN401, N803
        """Return the [rows] probability of the event by the last horizon: a higher risk means an earlier event."""
        risk: Floats = self._scores(X).risks[:, -1]
        return risk

    def predict_survival_function(self, X: Any) -> Floats:  # noqa: ANN401, N803
        """Return the [rows, times] probability of having been free of the event until each of ``times_``.

        With competing events this is 1 minus the cumulative incidence of the event, so it counts those who had a
        competing event as free of it.
        """
        return 1 - self._scores(X).risks

    def score(self, X: Any, y: Any) -> float:  # noqa: ANN401, N803
        """Return Harrell's C of ``predict``; rows without follow-up are left out."""
        risk = self.predict(X)
        try:
            outcome = _follow_up(y)
        except CardiographError as error:
            raise ValueError(str(error)) from error
        check_consistent_length(risk, outcome.time)
        known = np.flatnonzero(outcome.event >= 0)
        return float(harrell_c(outcome.at(known), risk[known])[0])

    def _scores(self, X: Any) -> SurvivalScores:  # noqa: ANN401, N803
        queries = self._queries(X)
        found = self.predictor_.score(queries)
        if not isinstance(found, SurvivalScores):
            message = "the predictor of a time-to-event outcome returned scores without times"
            raise TypeError(message)
        return found

    def _fit(self, values: Floats, outcome: SurvivalOutcome, groups: Sequence[Any] | None) -> None:
        check_consistent_length(values, outcome.time)
        given = None if self.horizons is None else tuple(float(each) for each in self.horizons)
        config = self._settings(outcome={"kind": "survival", "unit": self.unit, "horizons": given})
        check_settings(config)
        labels = np.where(outcome.event < 0, UNLABELLED, outcome.event == EVENT).astype(np.int64)
        rng = np.random.default_rng(config.seed)
        split = split_groups(labels, groups_of(groups, len(values)), self.validation, rng)
        blocks = self._known_blocks(values, split)
        dataset = build_array_dataset(values, labels, split, blocks, follow_up=outcome)
        known = outcome_of(dataset, TRAIN)
        horizons = given or event_quartiles(known.time[known.event == EVENT])
        longest = float(known.time.max())
        if given and given[-1] > longest:
            message = (
                f"horizons: {given[-1]:g} is after the last follow-up of the training rows ({longest:g}); leave it out"
            )
            raise ValueError(message)
        prepared = prepare_arrays(dataset, config)
        train_set = survival_examples(dataset, prepared.train_set, TRAIN)
        held_out = len(dataset.rows(VAL)) > 0
        val_set = survival_examples(dataset, prepared.val_set, VAL) if held_out else train_set
        network = train_survival(train_set, val_set, head="discrete", config=config.model, seed=config.seed)
        bundle = make_survival_bundle(network, dataset, prepared, config, horizons=horizons)
        self._blocks_in, self.held_out_ = blocks, split.part == VAL
        self.predictor_ = SurvivalPredictor(bundle)
        self.horizons_, self.times_ = horizons, self.predictor_.facts.times


def _follow_up(y: Any) -> SurvivalOutcome:  # noqa: ANN401 - an array or a DataFrame
    """Return times, NaN where unknown, and events, -1 where unknown.

    Raises:
        ValueError: If ``y`` has another form, or text in place of numbers.
        InputError: If a time or an event is not allowed, or no row has the event.
    """
    names = getattr(y, "columns", None) if hasattr(y, "columns") else getattr(np.asarray(y).dtype, "names", None)
    if names is None:
        time = np.asarray(column_or_1d(y, warn=True), dtype=np.float64)
        message = "y has no events, so every row is taken to have had the event at its time; give y with time and event"
        warnings.warn(message, UserWarning, stacklevel=4)
        event = np.ones(len(time))
    else:
        missing = [name for name in FIELDS if name not in names]
        if missing:
            message = f"y has the columns {', '.join(map(str, names))}; it needs {' and '.join(missing)}: rename them"
            raise ValueError(message)
        time, event = (_numbers(y[name], name) for name in FIELDS)
    rows = np.flatnonzero(~(np.isnan(time) & np.isnan(event)))
    found = survival_outcome(time[rows], event[rows], records=[f"row {row}" for row in rows])
    times, events = np.full(len(time), np.nan), np.full(len(time), UNLABELLED, np.int64)
    times[rows], events[rows] = found.time, found.event
    return SurvivalOutcome(times, events)


def _numbers(column: Any, name: str) -> Floats:  # noqa: ANN401 - an array or a column of a DataFrame
    """Return a column of ``y`` as numbers, NaN where missing."""
    try:
        return np.array([np.nan if str(cell) in ("None", "<NA>") else float(cell) for cell in column])
    except (TypeError, ValueError) as error:
        message = f"y: {name} holds a value that is not a number ({error}); give numbers, or True and False for event"
        raise ValueError(message) from error
