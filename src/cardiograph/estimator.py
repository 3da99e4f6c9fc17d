"""The scikit-learn face: arrays in, probabilities out, by the code that makes and serves a run."""

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
    """Which columns of a matrix are the image block, and which are clinical values.

    Args:
        image: How many columns, from the first, are the image block.
        clinical: The columns of the clinical block.
        names: One for each clinical column.
    """

    image: int
    clinical: NDArray[np.int64]
    names: tuple[str, ...]

    @classmethod
    def of(cls, columns: Sequence[str], image: int) -> Blocks:
        """The first ``image`` columns, and all the rest."""
        return cls(image, np.arange(image, len(columns)), tuple(columns[image:]))

    def known(self, values: Floats) -> tuple[Blocks, tuple[str, ...]]:
        """Without clinical columns that are empty in all of ``values``, of which nothing can be learnt; and their names."""
        empty = np.isnan(values[:, self.clinical]).all(0)
        names = np.array(self.names, dtype=object)
        return Blocks(self.image, self.clinical[~empty], tuple(names[~empty])), tuple(names[empty])

    def image_of(self, values: Floats) -> NDArray[np.float32] | None:
        """[records, image] embeddings, NaN throughout where any is missing; None without an image block."""
        if not self.image:
            return None
        image = values[:, : self.image].astype(np.float32)
        image[np.isnan(image).any(1)] = np.nan
        return image

    def clinical_of(self, values: Floats) -> ClinicalTable | None:
        """Values that may be any finite number, NaN where missing; None without a clinical block."""
        if not len(self.clinical):
            return None
        variables = tuple(ClinicalVariable(name, name, "", -np.inf, np.inf) for name in self.names)
        origin: Provenance = "measured"
        return ClinicalTable(values[:, self.clinical], variables, (origin,) * len(variables))

    def queries(self, values: Floats) -> Queries:
        """Rows as patients that nobody knows by name."""
        nobody = [None] * len(values)
        return Queries(self.image_of(values), values[:, self.clinical], nobody, nobody, nobody)


def build_array_dataset(values: Floats, labels: NDArray[np.int64], split: Split, blocks: Blocks) -> Dataset:
    """Records as a run knows them, by number alone.

    Args:
        values: [records, columns] NaN where missing.
        labels: [records] 0, 1 or -1.
        split: Parts and groups.
        blocks: What the columns are.
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
    inputs = TrainingInputs(blocks.image_of(values), blocks.clinical_of(values), labels, split)
    return Dataset(Cohort(table, ()), None, split, inputs)


def fit_arrays(dataset: Dataset, config: RunConfig) -> Predictor:
    """The configured model of such records, by the steps of a run.

    Without validation records the training records stand in for them when epoch and penalty are chosen, which is then no
    safeguard at all; and nothing is calibrated, since scores of training records say nothing about those of others.
    """
    prepared = prepare(dataset.inputs, config)
    if not len(dataset.rows(VAL)):
        prepared = dataclasses.replace(prepared, val_set=prepared.train_set)
    return fit_predictor(config.model.name, dataset, prepared, config)


class PatientGraphClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Patient-similarity graph over arrays: embeddings, values of a table, or both.

    ``fit`` holds out whole groups of the rows it is given; they choose epoch and penalty and calibrate the probabilities.
    Where a class is in too few groups for that, the training rows stand in and nothing is calibrated. Two classes only.
    Rows of ``fit`` are neighbours of whatever is predicted later: predicting them again is no test, they hear themselves.
    Use ``cross_val_predict`` with ``GroupKFold``.

    Args:
        model: ``sign``, ``gcn``, ``gat``, ``sage``, ``mlp``, ``logistic`` or ``knn_vote``.
        k: Neighbours of each row.
        space: Where neighbours are sought: ``fused``, ``image``, ``clinical`` or ``fitted``.
        votes: Whether the labels of the neighbours are an input.
        image_columns: How many leading columns are the image block, such as an embedding; None where all columns are one
            clinical block. A gap in a clinical column is filled by the median of the training rows, and an indicator added;
            a row with a gap in the image block has no image.
        image_components: Principal components that the image block is reduced to; 0 keeps all values.
        validation: Share of the groups that ``fit`` holds out, 0 to below 1.
        epochs: At most.
        random_state: Draws the held-out groups and the first weights.
        unlabelled: A value of ``y`` that is no class but means "not known": such rows are heard and never learnt from.

    Attributes:
        classes_: The two classes, sorted.
        n_features_in_: Columns of ``X``.
        feature_names_in_: Their names, where ``X`` had any.
        held_out_: [rows] whether ``fit`` held the row out; nobody where the training rows stood in.
        threshold_: The threshold that held-out rows choose (Youden); ``predict`` takes 0.5, as scikit-learn expects.
        predictor_: The :class:`cardiograph.inference.Predictor` behind every probability.
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
        """Gaps are allowed, more than two classes are not."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: Any, y: Any, groups: Sequence[Any] | None = None) -> Self:  # noqa: ANN401, N803 - their names
        """Learn from rows.

        Args:
            X: [rows, columns] numbers, NaN where missing.
            y: [rows] one of two classes, or ``unlabelled``.
            groups: [rows] rows of one group, such as a patient, are never parted and never neighbours of each other; each
                row is a group of its own if None.

        Raises:
            ValueError: Values, labels, groups or parameters that cannot be used.
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
            predictor = fit_arrays(build_array_dataset(values, labels, split, blocks), config)
        except CardiographError as error:
            raise ValueError(str(error)) from error
        self._blocks_in, self.predictor_ = blocks, predictor
        self.held_out_ = split.part == VAL
        self.threshold_ = predictor.bundle.served.threshold
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: ANN401, N803
        """[rows, 2] probability of each of ``classes_``."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return self.predictor_.score(self._blocks_in.queries(values)).by_class

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: ANN401, N803
        """[rows] the likelier class."""
        likelier = self.predict_proba(X).argmax(1)
        chosen: NDArray[Any] = self.classes_[likelier]
        return chosen

    def _encoded(self, y: NDArray[Any]) -> NDArray[np.int64]:
        """[rows] 0, 1 or -1; and ``classes_``."""
        known = np.ones(len(y), bool) if self.unlabelled is None else np.array([each != self.unlabelled for each in y])
        check_classification_targets(y[known])
        classes = np.unique(y[known])
        if len(classes) > 2:
            message = (
                f"Only binary classification is supported. The type of the target is multiclass, {classes.tolist()}."
            )
            raise ValueError(message)
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
    """[rows] group numbers in order of first appearance."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first)).astype(np.int64)[inverse.ravel()]
