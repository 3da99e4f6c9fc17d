"""The scikit-learn classifier: one of two or more classes, or several labels at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from cardiograph.cohort.split import split_groups
from cardiograph.config import RunConfig
from cardiograph.containers import VAL
from cardiograph.errors import CardiographError
from cardiograph.estimator.arrays import Floats, build_array_dataset, groups_of, prepare_arrays
from cardiograph.estimator.base import ArrayEstimator
from cardiograph.estimator.labels import fit_labels, has_several_labels, read_labels, split_labels
from cardiograph.inference import Predictor
from cardiograph.inference.labels import LabelsPredictor
from cardiograph.run.pipeline import check_class_settings
from cardiograph.schema import UNLABELLED
from cardiograph.train.trial import fit_predictor


class PatientGraphClassifier(ClassifierMixin, ArrayEstimator):  # type: ignore[misc]
    """Classifier on a patient-similarity graph over arrays: embeddings, values of a table, or both.

    ``fit`` holds out whole groups of the given rows to choose epoch and penalty and to calibrate the probabilities. If
    a class is in too few groups for that, epoch and penalty are chosen on the training rows and nothing is calibrated.
    ``y`` holds two classes, several classes, or several labels at once (a matrix with a column for each). Rows of
    ``fit`` are neighbours of all rows that are predicted later, so predicting them again is not a test: each finds
    itself. Use ``cross_val_predict`` with ``GroupKFold``.

    Args:
        model: ``sign``, ``gcn``, ``gat``, ``sage``, ``mlp``, ``logistic`` or ``knn_vote``.
        k: Number of neighbours of each row.
        space: Space in which neighbours are searched: ``fused``, ``image``, ``clinical`` or, for two
            classes, ``learnt``.
        votes: Whether the labels of the neighbours are an input; not for several labels at once.
        image_columns: Number of leading columns that form the image block, such as an embedding; None if all columns
            form the clinical block. A gap in a clinical column is filled by the median of the training rows and marked
            by an indicator; a row with a gap in the image block has no image.
        image_components: Number of principal components of the image block; 0 keeps all values.
        validation: Share of the groups that ``fit`` holds out, 0 to below 1.
        epochs: Maximum number of epochs.
        random_state: Seed of the held-out groups and the initial weights.
        unlabelled: Value of ``y`` that means "unknown" and is not a class: such rows serve as neighbours only. In a
            matrix of labels, NaN means "unknown".

    Attributes:
        classes_: The classes, sorted; with several labels their names or numbers, in the order of the columns of ``y``.
        n_features_in_: Number of columns of ``X``.
        feature_names_in_: Names of the columns, if ``X`` had any.
        held_out_: [rows] whether ``fit`` held the row out.
        threshold_: Threshold chosen on the held-out rows (Youden), of several labels one for each; ``predict`` uses 0.5,
            as scikit-learn expects. None with more than two classes.
        predictor_: The :class:`cardiograph.inference.Predictor` that computes every probability, of several labels the
            :class:`cardiograph.inference.labels.LabelsPredictor`.
    """

    classes_: NDArray[Any]
    predictor_: Predictor | LabelsPredictor
    threshold_: float | NDArray[np.float64] | None

    def __init__(  # noqa: PLR0913 - scikit-learn's parameters are flat
        self,
        model: str = "sign",
        k: int = 5,
        space: str = "fused",
        votes: bool = False,
        image_columns: int | None = None,
        image_components: int = 0,
        validation: float = 0.2,
        epochs: int = 300,
        random_state: int | np.random.RandomState | None = None,
        unlabelled: Any = None,  # noqa: ANN401 - a class may be of any kind
    ) -> None:
        self.model = model
        self.k = k
        self.space = space
        self.votes = votes
        self.image_columns = image_columns
        self.image_components = image_components
        self.validation = validation
        self.epochs = epochs
        self.random_state = random_state
        self.unlabelled = unlabelled

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn has no types
        """Return the tags: gaps in X are allowed, and so are several labels at once, unless labels are an input."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = tags.classifier_tags.multi_label = not self.votes
        return tags

    def fit(self, X: Any, y: Any, groups: Sequence[Any] | None = None) -> Self:  # noqa: ANN401, N803 - their names
        """Fit preprocessing, graph and model.

        Args:
            X: [rows, columns] numbers, NaN where missing.
            y: [rows] one of two or more classes, or ``unlabelled``; or [rows, labels] 1, 0 or NaN (unknown), as an array
                or as a DataFrame, whose columns name the labels.
            groups: [rows] group of each row, such as a patient. Rows of one group stay in the same part of the split
                and are never neighbours of each other; each row is its own group if None.

        Raises:
            ValueError: If values, labels, groups or parameters cannot be used.
        """
        fit = self._fit_labels if has_several_labels(y) else self._fit_classes
        try:
            fit(X, y, groups)
        except CardiographError as error:
            raise ValueError(str(error)) from error
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: ANN401, N803
        """Return the [rows, classes] probability of each of ``classes_``; with several labels those of 1."""
        queries, predictor = self._queries(X), self.predictor_
        if isinstance(predictor, LabelsPredictor):
            return predictor.probabilities(queries)
        found: Floats = predictor.score(queries).by_class
        return found

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: ANN401, N803
        """Return the [rows] most probable class, or [rows, labels] 1 where a label is more likely than not, else 0."""
        found = self.predict_proba(X)
        if isinstance(self.predictor_, LabelsPredictor):
            return (found > 0.5).astype(np.int64)
        chosen: NDArray[Any] = self.classes_[found.argmax(1)]
        return chosen

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: ANN401, N803
        """Return the accuracy; with several labels the share of rows in which all are right.

        Raises:
            ValueError: If ``y`` holds a class that ``fit`` has not seen.
        """
        several = isinstance(getattr(self, "predictor_", None), LabelsPredictor)
        if hasattr(self, "classes_") and not several:
            known = set(self.classes_.tolist())
            unseen = sorted({each for each in column_or_1d(y).tolist() if each not in known}, key=str)
            if unseen:
                message = (
                    f"y holds classes that fit has not seen: {', '.join(map(repr, unseen))} (seen: "
                    f"{', '.join(map(repr, self.classes_.tolist()))}); fit rows of every class, or leave such rows out"
                )
                raise ValueError(message)
        accuracy: float = super().score(X, y, sample_weight)
        return accuracy

    def _fit_classes(self, X: Any, y: Any, groups: Sequence[Any] | None) -> None:  # noqa: ANN401, N803
        values, y = self._rows(X, y)
        labels = self._encoded(column_or_1d(y))
        config, of_rows = self._config(), groups_of(groups, len(labels))
        split = split_groups(labels, of_rows, self.validation, np.random.default_rng(config.seed))
        names: tuple[str, ...] = ()
        if len(self.classes_) > 2:
            check_class_settings(config)
            names = tuple(str(each) for each in self.classes_)
        blocks = self._known_blocks(values, split)
        dataset = build_array_dataset(values, labels, split, blocks, classes=names)
        prepared = prepare_arrays(dataset, config)
        predictor = fit_predictor(config.model.name, dataset, prepared, config)
        self.predictor_ = predictor
        self._blocks_in, self.held_out_ = blocks, split.part == VAL
        self.threshold_ = predictor.bundle.served.threshold

    def _fit_labels(self, X: Any, y: Any, groups: Sequence[Any] | None) -> None:  # noqa: ANN401, N803
        values, _ = self._rows(X)
        columns = read_labels(y)
        check_consistent_length(values, columns.values)
        config, of_rows = self._config(), groups_of(groups, len(values))
        split = split_labels(columns, of_rows, self.validation, np.random.default_rng(config.seed))
        blocks = self._known_blocks(values, split)
        predictor = fit_labels(values, columns, split, blocks, config)
        self.predictor_ = predictor
        self.classes_ = np.asarray(getattr(y, "columns", range(len(columns.names))))
        self._blocks_in, self.held_out_ = blocks, split.part == VAL
        self.threshold_ = np.array([each.bundle.served.threshold for each in predictor.by_label.values()])

    def _encoded(self, y: NDArray[Any]) -> NDArray[np.int64]:
        """Return [rows] labels from 0, or -1, and set ``classes_``."""
        known = np.ones(len(y), bool) if self.unlabelled is None else np.array([each != self.unlabelled for each in y])
        check_classification_targets(y[known])
        classes = np.unique(y[known])
        if len(classes) < 2:
            message = f"y holds {len(classes)} class ({classes.tolist()}), two are needed; give rows of both"
            raise ValueError(message)
        self.classes_ = classes
        labels = np.full(len(y), UNLABELLED, np.int64)
        labels[known] = np.searchsorted(classes, y[known])
        return labels

    def _config(self) -> RunConfig:
        return self._settings(model={"name": self.model, "votes": self.votes})
