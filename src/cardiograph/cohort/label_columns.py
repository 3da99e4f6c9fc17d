"""Several labels at once: one column per label, read and checked like the label of a binary outcome."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiograph.cohort.manifest import headline, read_cohort
from cardiograph.config import RunConfig
from cardiograph.containers import PARTS, Cohort, Groups, Split
from cardiograph.errors import CohortError, ConfigError, Issue
from cardiograph.schema import UNLABELLED

MIN_GROUPS = 3
"""Smallest number of groups of a stratum: one for each part."""


@dataclass(frozen=True)
class LabelColumns:
    """Labels of the records of a cohort.

    Args:
        names: Name of each label, which is its column.
        values: [records, labels] 1, 0 or -1 (unknown).
        record_ids: [records] names.
    """

    names: tuple[str, ...]
    values: NDArray[np.int64]
    record_ids: NDArray[np.object_]

    @property
    def known(self) -> NDArray[np.bool_]:
        """[records] whether any label is known."""
        return np.asarray((self.values != UNLABELLED).any(axis=1))

    def of(self, cohort: Cohort) -> LabelColumns:
        """Return the labels of the records of a cohort, in its order; it may lack records."""
        row = {name: number for number, name in enumerate(self.record_ids)}
        rows = np.array([row[name] for name in cohort.record_ids], dtype=np.int64)
        return LabelColumns(self.names, self.values[rows], self.record_ids[rows])

    def strata(self, groups: Groups, *, smallest: int = MIN_GROUPS) -> NDArray[np.int64]:
        """Return [records] strata for a split: the rarest label that a record has; -1 without a known label.

        Strata with fewer than ``smallest`` groups are joined with that of no label.
        """
        found = np.where(self.known, 0, UNLABELLED)
        for label in np.argsort(-(self.values == 1).sum(axis=0), kind="stable"):  # the rarest last
            found[self.values[:, label] == 1] = 1 + label
        sizes = {stratum: len(np.unique(groups.index[found == stratum])) for stratum in set(found.tolist())}
        largest = max((each for each in sizes if each > 0), key=sizes.__getitem__, default=0)
        for stratum, size in sizes.items():
            if stratum > 0 and size < smallest:
                found[found == stratum] = 0
        if 0 < len(np.unique(groups.index[found == 0])) < smallest:
            found[found == 0] = largest
        kept = np.unique(found[found >= 0])
        return np.where(found < 0, UNLABELLED, np.searchsorted(kept, found))

    def require_both(self, split: Split) -> None:
        """Raise CohortError unless every part has records with and without each label."""
        for label, name in enumerate(self.names):
            for part in PARTS:
                present = set(self.values[split.part == part, label].tolist()) - {UNLABELLED}
                if present != {0, 1}:
                    seen = f"only {present.pop()}" if present else "no known value"
                    message = (
                        f"label {name!r} has {seen} in {part!r}; train, val and test need records with 1 and with 0: "
                        "add patients, draw another split (--seed), fix the column 'split', or leave the label out"
                    )
                    raise CohortError(message)


def label_config(config: RunConfig, name: str) -> RunConfig:
    """Return the settings with which one label of a multilabel outcome is read, as a binary outcome."""
    outcome = {"name": name, "kind": "binary"}
    content = config.model_dump(exclude={"outcome"})
    content["cohort"]["map"] = {**config.cohort.map, "label": name}
    return type(config).model_validate({**content, "outcome": outcome})


def with_strata(cohort: Cohort, strata: NDArray[np.int64]) -> Cohort:
    """Return a cohort whose labels are the [records] strata of several labels, with the numbers of the strata as classes."""
    names = tuple(f"stratum {number}" for number in range(int(strata.max(initial=0)) + 1))
    return dataclasses.replace(cohort, table=cohort.table.assign(label=strata, class_name=""), classes=names)


def read_label_columns(
    source: Path, config: RunConfig, *, one_class: bool = False, reads: Collection[str] | None = None
) -> LabelColumns:
    """Read the columns of several labels.

    Args:
        source: Table of the cohort.
        config: Settings with ``outcome.columns``.
        one_class: Whether a column may be empty or of one value, because no model is trained on it.
        reads: Names of the clinical variables that a model reads; None if it does not exist yet.

    Raises:
        CohortError: If the table has faults; one error names all of them, with row, column and value.
        ConfigError: If the source has no columns, or another column is named as the label.
    """
    names = config.outcome.columns or ()
    if source.is_dir():
        message = f"{source}: a folder per class has no columns of labels; outcome.columns needs a table"
        raise ConfigError(message)
    if config.cohort.map.get("label") is not None:
        message = (
            "--map label=... names the label of a binary outcome, and outcome.columns several; remove one of the two"
        )
        raise ConfigError(message)
    cohorts: list[Cohort] = []
    issues: dict[Issue, None] = {}
    for name in names:
        one = label_config(config, name)
        try:
            cohorts.append(read_cohort(source, one.cohort, outcome=one.outcome, one_class=one_class, reads=reads))
        except CohortError as error:
            if not error.issues:
                raise
            issues |= dict.fromkeys(_named(issue, name) for issue in error.issues)
    if issues:
        raise CohortError(headline(source.name, list(issues)), list(issues))
    values = np.stack([cohort.labels for cohort in cohorts], axis=1)
    return LabelColumns(names, values, cohorts[0].record_ids)


def _named(issue: Issue, name: str) -> Issue:
    """Return an issue of the column ``label`` with the name that the column has in the table."""
    if issue.column != "label":
        return issue
    remedy = issue.remedy
    if issue.code == "label":
        remedy = "write 1 (has the label), 0 (has it not) or leave the cell empty (unknown)"
    elif issue.code == "one_class":
        remedy = f"add records with and without {name}, or leave the label out of --label"
    elif issue.code == "no_labels":
        remedy = f"fill in the known values, or leave {name} out of --label"
    return dataclasses.replace(issue, column=name, remedy=remedy)
