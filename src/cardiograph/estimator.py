"""The scikit-learn estimator: arrays in, probabilities out, computed by the same code as in a run."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from cardiograph.cohort.split import split_groups
from cardiograph.config import RunConfig, load_config
from cardiograph.containers import TRAIN, VAL, ClinicalTable, Cohort, Groups, Split
from cardiograph.errors import CardiographError
from cardiograph.inference import Predictor, Queries
from cardiograph.schema import UNLABELLED, ClinicalVariable, Provenance
from cardiograph.train.data import Dataset, TrainingInputs
from cardiograph.train.fit import prepare
from cardiograph.train.trial import fit_predictor

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Assignment of the columns of a matrix to the image block and the clinical block.

    Args:
        image: Number of leading columns that form the image block.
        clinical: Positions of the columns of the clinical block.
        names: Name of each clinical column.
    """

    image: int
    clinical: NDArray[np.int64]
    names: tuple[str, ...]

    @classmethod
    def of(cls, columns: Sequence[str], image: int) -> Blocks:
        """Assign the first ``image`` columns to the image block and all others to the clinical block."""
        return cls(image, np.arange(image, len(columns)), tuple(columns[image:]))

    def known(self, values: Floats) -> tuple[Blocks, tuple[str, ...]]:
        """Return the blocks without clinical columns that are empty in all of ``values``, and the names of these."""
        empty = np.isnan(values[:, self.clinical]).all(0)
        names = np.array(self.names, dtype=object)
        return Blocks(self.image, self.clinical[~empty], tuple(names[~empty])), tuple(names[empty])

    def image_of(self, values: Floats) -> NDArray[np.float32] | None:
        """Return [records, image] embeddings, all NaN in a row with a gap; None without an image block."""
        if not self.image:
            return None
        image = values[:, : self.image].astype(np.float32)
        image[np.isnan(image).any(1)] = np.nan
        return image

    def clinical_of(self, values: Floats) -> ClinicalTable | None:
        """Return the clinical values, any finite number or NaN where missing; None without a clinical block."""
        if not len(self.clinical):
            return None
        variables = tuple(ClinicalVariable(name, name, "", -np.inf, np.inf) for name in self.names)
        origin: Provenance = "measured"
        return ClinicalTable(values[:, self.clinical], variables, (origin,) * len(variables))

    def queries(self, values: Floats) -> Queries:
        """Return the rows as queries without ids or page hashes."""
        nothing = [None] * len(values)
        return Queries(self.image_of(values), values[:, self.clinical], nothing, nothing, nothing)


def build_array_dataset(
    values: Floats, labels: NDArray[np.int64], split: Split, blocks: Blocks, classes: tuple[str, ...] = ()
) -> Dataset:
    """Return arrays as the dataset of a run, with row numbers as record ids.

    Args:
        values: [records, columns] values, NaN where missing.
        labels: [records] labels from 0, or -1.
        split: Part and group of each record.
        blocks: Assignment of the columns to blocks.
        classes: Names of several classes; empty for two.
    """
    import pandas as pd

    table = pd.DataFrame(
        {
            "record_id": [f"row {row}" for row in range(len(labels))],
            "patient_id": pd.Series([None] * len(labels), dtype=object),
            "label": labels,
            "class_name": labels.astype(str),
            "ecg": None,
            "split": None,
        }
    )
    cohort = Cohort(table, (), classes=classes)
    blocks_of = (blocks.image_of(values), blocks.clinical_of(values))
    return Dataset(cohort, None, split, TrainingInputs(*blocks_of, labels, split, classes=cohort.class_count))


def fit_arrays(dataset: Dataset, config: RunConfig) -> Predictor:
    """Fit the configured model by the steps of a run.

    Without validation records, epoch and penalty are chosen on the training records, which is no safeguard against
    overfitting, and nothing is calibrated, because scores of training records do not represent those of other records.
    """
    prepared = prepare(dataset.inputs, config)
    if not len(dataset.rows(VAL)):
        prepared = dataclasses.replace(prepared, val_set=prepared.train_set)
    return fit_predictor(config.model.name, dataset, prepared, config)


class PatientGraphClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classifier on a patient-similarity graph over arrays: embeddings, values of a table, or both.

    ``fit`` holds out whole groups of the given rows to choose epoch and penalty and to calibrate the probabilities. If
    a class is in too few groups for that, epoch and penalty are chosen on the training rows and nothing is calibrated.
    Two classes or more. Rows of ``fit`` are neighbours of all rows that are predicted later, so predicting
    them again is not a test: each finds itself. Use ``cross_val_predict`` with ``GroupKFold``.

    Args:
        model: ``sign``, ``gcn``, ``gat``, ``sage``, ``mlp``, ``logistic`` or ``knn_vote``.
        k: Number of neighbours of each row.
        space: Space in which neighbours are searched: ``fused``, ``image``, ``clinical`` or ``fitted``.
        votes: Whether the labels of the neighbours are an input.
        image_columns: Number of leading columns that form the image block, such as an embedding; None if all columns
            form the clinical block. A gap in a clinical column is filled by the median of the training rows and marked
            by an indicator; a row with a gap in the image block has no image.
        image_components: Number of principal components of the image block; 0 keeps all values.
        validation: Share of the groups that ``fit`` holds out, 0 to below 1.
        epochs: Maximum number of epochs.
        random_state: Seed of the held-out groups and the initial weights.
        unlabelled: Value of ``y`` that means "unknown" and is not a class: such rows serve as neighbours only.

    Attributes:
        classes_: The classes, sorted.
        n_features_in_: Number of columns of ``X``.
        feature_names_in_: Names of the columns, if ``X`` had any.
        held_out_: [rows] whether ``fit`` held the row out.
        threshold_: Threshold chosen on the held-out rows (Youden); ``predict`` uses 0.5, as scikit-learn expects. None
            with more than two classes.
        predictor_: The :class:`cardiograph.inference.Predictor` that computes every probability.
    """

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
        """Return the tags: gaps are allowed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X: Any, y: Any, groups: Sequence[Any] | None = None) -> Self:  # noqa: ANN401, N803 - their names
        """Fit preprocessing, graph and model.

        Args:
            X: [rows, columns] numbers, NaN where missing.
            y: [rows] one of two or more classes, or ``unlabelled``.
            groups: [rows] group of each row, such as a patient. Rows of one group stay in the same part of the split
                and are never neighbours of each other; each row is its own group if None.

        Raises:
            ValueError: If values, labels, groups or parameters cannot be used.
        """
        values, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=2)
        labels = self._encoded(column_or_1d(y))
        of_rows = np.arange(len(labels)) if groups is None else _groups(groups, len(labels))
        config, blocks = self._config(), self._blocks()
        rng = np.random.default_rng(config.seed)
        split = split_groups(labels, Groups(_in_order(of_rows)), self.validation, rng)
        blocks, empty = blocks.known(values[split.part == TRAIN])
        if empty:
            warnings.warn(f"columns without a value in any training row are left out: {', '.join(empty)}", stacklevel=2)
        if blocks.image and np.isnan(values[:, : blocks.image]).any(1)[split.part == TRAIN].all():
            message = "image_columns: no training row has its whole image block; give rows without gaps in it"
            raise ValueError(message)
        try:
            names = tuple(str(each) for each in self.classes_) if len(self.classes_) > 2 else ()
            predictor = fit_arrays(build_array_dataset(values, labels, split, blocks, names), config)
        except CardiographError as error:
            raise ValueError(str(error)) from error
        self._blocks_in, self.predictor_ = blocks, predictor
        self.held_out_ = split.part == VAL
        self.threshold_ = predictor.bundle.served.threshold
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: ANN401, N803
        """Return the [rows, classes] probability of each of ``classes_``."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return self.predictor_.score(self._blocks_in.queries(values)).by_class

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: ANN401, N803
        """Return the [rows] most probable class."""
        likelier = self.predict_proba(X).argmax(1)
        chosen: NDArray[Any] = self.classes_[likelier]
        return chosen

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
        if not isinstance(self.validation, float | int) or not 0 <= self.validation < 1:
            message = f"validation is {self.validation!r}; the share of groups held out is 0 to below 1"
            raise ValueError(message)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        settings = {
            "seed": seed,
            "model": {"name": self.model, "votes": self.votes, "epochs": self.epochs},
            "graph": {"k": self.k, "space": self.space},
            "fusion": {"image_components": self.image_components},
        }
        try:
            return load_config(None, settings)
        except CardiographError as error:
            raise ValueError(str(error)) from error

    def _blocks(self) -> Blocks:
        count = self.n_features_in_
        image = 0 if self.image_columns is None else self.image_columns
        if not isinstance(image, Integral) or not 0 <= image <= count:
            message = f"image_columns is {self.image_columns!r}; X has {count} columns"
            raise ValueError(message)
        names = getattr(self, "feature_names_in_", [f"x{column}" for column in range(count)])
        return Blocks.of([str(name) for name in names], int(image))


def _groups(groups: Sequence[Any], rows: int) -> NDArray[Any]:
    found = column_or_1d(groups)
    if len(found) != rows:
        message = f"groups has {len(found)} values, X has {rows} rows; give one for each"
        raise ValueError(message)
    return np.asarray(found)


def _in_order(groups: NDArray[Any]) -> NDArray[np.int64]:
    """Return [rows] group numbers in order of first appearance."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first)).astype(np.int64)[inverse.ravel()]
