"""What the estimators share: parameters, checks of the rows, and the split of the rows into training and validation."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from cardiograph.config import RunConfig, load_config
from cardiograph.containers import TRAIN, Split
from cardiograph.errors import CardiographError
from cardiograph.estimator.arrays import Blocks, Floats
from cardiograph.inference import Queries


class ArrayEstimator(BaseEstimator):  # type: ignore[misc]
    """Base of the estimators, which declare the parameters themselves, as scikit-learn expects."""

    k: int
    space: str
    image_columns: int | None
    image_components: int
    validation: float
    epochs: int
    random_state: int | np.random.RandomState | None
    n_features_in_: int

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn has no types
        """Return the tags: gaps in X are allowed, and y is required."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags

    def _rows(self, X: Any, y: Any = "no_validation") -> tuple[Floats, Any]:  # noqa: ANN401, N803 - their names
        """Return the rows of ``fit`` as [rows, columns] numbers, NaN where missing, and ``y``, checked if given."""
        checks = {"dtype": np.float64, "ensure_all_finite": "allow-nan", "ensure_min_samples": 2}
        found = validate_data(self, X, y, **checks)
        return (found, y) if isinstance(y, str) else found

    def _queries(self, X: Any) -> Queries:  # noqa: ANN401, N803 - their names
        """Return the rows to predict in the form that the predictor scores."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        blocks: Blocks = self._blocks_in
        return blocks.queries(values)

    def _settings(self, **sections: Any) -> RunConfig:  # noqa: ANN401 - settings of many types
        """Return the settings of a run with the parameters of the estimator, and those of ``sections``."""
        if not isinstance(self.validation, float | int) or not 0 <= self.validation < 1:
            message = f"validation is {self.validation!r}; the share of groups held out is 0 to below 1"
            raise ValueError(message)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        model = {"epochs": self.epochs, **sections.pop("model", {})}
        settings = {
            "seed": seed,
            "model": model,
            "graph": {"k": self.k, "space": self.space},
            "fusion": {"image_components": self.image_components},
            **sections,
        }
        try:
            return load_config(None, settings)
        except CardiographError as error:
            raise ValueError(str(error)) from error

    def _known_blocks(self, values: Floats, split: Split) -> Blocks:
        """Return the blocks of the columns, without clinical columns that are empty in all training rows."""
        train = split.rows(TRAIN)
        blocks, empty = self._blocks().known(values[train])
        if empty:
            warnings.warn(f"columns without a value in any training row are left out: {', '.join(empty)}", stacklevel=3)
        if blocks.image and np.isnan(values[train, : blocks.image]).any(1).all():
            message = "image_columns: no training row has its whole image block; give rows without gaps in it"
            raise ValueError(message)
        return blocks

    def _blocks(self) -> Blocks:
        count = self.n_features_in_
        image = 0 if self.image_columns is None else self.image_columns
        if not isinstance(image, Integral) or not 0 <= image <= count:
            message = f"image_columns is {self.image_columns!r}; X has {count} columns"
            raise ValueError(message)
        names = getattr(self, "feature_names_in_", [f"x{column}" for column in range(count)])
        return Blocks.of([str(name) for name in names], int(image))
