"""Training of networks with a head for each label; models without a network are fitted to each label alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from cardiograph.config import RunConfig
from cardiograph.containers import VAL, Cohort, Split
from cardiograph.models.build import Model
from cardiograph.models.examples import History
from cardiograph.models.multilabel import LabelExamples, begin_labels, binary_head
from cardiograph.models.training import train
from cardiograph.registry import MODELS
from cardiograph.train.data import Dataset
from cardiograph.train.fit import PreparedGraph, fit_network


def with_label(dataset: Dataset, cohort: Cohort, known: NDArray[np.bool_]) -> Dataset:
    """Return the dataset with one of several labels as its label.

    Args:
        dataset: Dataset of the records.
        cohort: The same records with the label 0, 1 or -1 (unknown).
        known: [records] whether any label is known: the rows that fit scalers and fusion, the same for every label.
    """
    inputs = dataclasses.replace(dataset.inputs, labels=cohort.labels, known=known, classes=2)
    return dataclasses.replace(dataset, cohort=cohort, inputs=inputs)


class LabelHeads:
    """Models of several labels; each network is trained once.

    Args:
        targets: [records, labels] 1, 0 or -1 (unknown).
        split: Split of the records. Without validation records the training records choose the epoch.
        config: Model settings and seed.
    """

    def __init__(self, targets: NDArray[np.int64], split: Split, config: RunConfig) -> None:
        self._targets, self._split, self._config = targets, split, config
        self._networks: dict[tuple[str, int | None], tuple[Model, History]] = {}

    def fit(
        self,
        name: str,
        prepared: PreparedGraph,
        progress: Callable[[int], None] | None = None,
        *,
        label: int,
        shuffle: int | None = None,
    ) -> tuple[Model, History]:
        """Return the binary model of one label, and the learning curves.

        Args:
            name: Name of the model.
            prepared: Features and graph of the records, with the labels of ``label``.
            progress: Callback that receives the number of each epoch.
            label: Position of the label.
            shuffle: Number of a shuffle of the rows of targets within each part; None leaves them as they are.
        """
        if not MODELS[name].is_network and shuffle is None:
            return fit_network(name, prepared, self._config, progress)
        train_set = self._examples(prepared, prepared.graph.rows, shuffle, validation=False)
        val = self._split.rows(VAL)
        val_set = self._examples(prepared, val if len(val) else prepared.graph.rows, shuffle, validation=True)
        if not MODELS[name].is_network:
            one = dataclasses.replace(prepared, train_set=train_set.of_label(label), val_set=val_set.of_label(label))
            return fit_network(name, one, self._config, progress)
        key, count = (name, shuffle), self._targets.shape[1]
        if key not in self._networks:
            self._networks[key] = train(
                name,
                train_set,
                val_set,
                config=self._config.model,
                seed=self._config.seed,
                progress=progress,
                classes=count,
                begin=begin_labels,
            )
        network, history = self._networks[key]
        width = prepared.train_set.features.shape[1]
        return binary_head(name, network, label, width_in=width, config=self._config.model), history

    def _examples(
        self, prepared: PreparedGraph, rows: NDArray[np.int64], shuffle: int | None, *, validation: bool
    ) -> LabelExamples:
        targets = self._targets[rows]
        if shuffle is not None:
            rng = np.random.default_rng([self._config.seed, 17, shuffle, int(validation)])
            known = np.flatnonzero((targets >= 0).any(axis=1))
            targets[known] = targets[rng.permutation(known)]
        examples = prepared.val_set if validation else prepared.train_set
        return LabelExamples.of_targets(examples, torch.from_numpy(targets))
