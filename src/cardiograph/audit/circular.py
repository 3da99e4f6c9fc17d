"""Clinical columns that know the label too well: simulated from it, defining it, or nearly equal to it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cardiograph.audit.findings import Finding, Probe
from cardiograph.audit.probes import cross_validated_auroc, rank_probe, told
from cardiograph.audit.subject import AuditInput
from cardiograph.containers import ClinicalTable
from cardiograph.features.simulate import class_distributions
from cardiograph.schema import DEFAULT_VARIABLES

TOO_GOOD = 0.95
"""AUROC above which clinical values are suspected of knowing the label."""

FEWEST = 20
"""Records of each class needed before values are compared with a distribution."""

LIKELY = 0.01
"""p-value (Kolmogorov-Smirnov, of the least likely column) above which values may come from the published simulator."""


def probe_columns(audited: AuditInput) -> Iterator[Probe | Finding]:
    """Each clinical column alone, all together, and where they come from."""
    clinical = audited.clinical
    if clinical is None or not len(clinical.variables):
        yield from _definitions(audited, ())
        return
    rows = audited.labelled
    values, labels, groups = clinical.values[rows], audited.cohort.labels[rows], audited.groups.index[rows]
    for column, variable in enumerate(clinical.variables):
        probe = _alone(values[:, column], labels, groups, seed=audited.seed, name=f"{variable.name} alone")
        if probe is None:
            continue
        yield probe
        if probe.auroc > TOO_GOOD:
            yield Finding(
                "column_predicts_label",
                "warn",
                f"{variable.name} alone predicts the label: {told(probe)}.",
                "find out how the column came about; if the label was made from it, --label-definition says so",
                column=variable.name,
            )
    together = cross_validated_auroc(
        filled(clinical)[rows], labels, groups, seed=audited.seed, name="all clinical columns together", shortcut=False
    )
    if together is not None:
        yield together
        if together.auroc > TOO_GOOD:
            yield Finding(
                "columns_predict_label",
                "warn",
                f"All clinical columns together predict the label by plain logistic regression: {told(together)}, "
                f"{together.how}.",
                "find out whether they were made from the label, or the label from them",
            )
    yield from _provenance(clinical)
    yield from _simulator(clinical, values, labels)
    yield from _definitions(audited, tuple(variable.name for variable in clinical.variables))


def filled(clinical: ClinicalTable) -> NDArray[np.float64]:
    """[records, columns] logarithm where the variable asks for it, medians in gaps."""
    columns = []
    for column, variable in enumerate(clinical.variables):
        values = clinical.values[:, column]
        values = np.log(values) if variable.transform == "log" else values
        known = values[~np.isnan(values)]
        columns.append(np.where(np.isnan(values), np.median(known) if len(known) else 0.0, values))
    return np.stack(columns, axis=1)


def _alone(
    values: NDArray[np.float64], labels: NDArray[np.int64], groups: NDArray[np.int64], *, seed: int, name: str
) -> Probe | None:
    known = ~np.isnan(values)
    values, labels, groups = values[known], labels[known], groups[known]
    if len(np.unique(labels)) < 2 or len(np.unique(values)) < 2:
        return None
    for sign, direction in ((1, "higher"), (-1, "lower")):
        how = f"{direction} values go with label 1"
        probe = rank_probe(sign * values, labels, groups, seed=seed, name=name, shortcut=False, how=how)
        if probe.auroc >= 0.5:
            return probe
    return None


def _provenance(clinical: ClinicalTable) -> Iterator[Finding]:
    """What the run itself has simulated."""
    drawn = {"simulated from the label", "simulated blind to the label"} & set(clinical.provenance)
    if "simulated from the label" in drawn:
        yield Finding(
            "simulated_from_label",
            "warn",
            "The clinical values are simulated from the label: a score on them measures the simulator.",
            "use measured values, or leave them out (--simulate none); reports call such a score a simulator check",
        )
    if "simulated blind to the label" in drawn:
        yield Finding(
            "simulated_blind",
            "warn",
            "The clinical values are simulated blind to the label: they carry no knowledge of any patient.",
            "use measured values, or leave them out (--simulate none)",
        )


def _simulator(clinical: ClinicalTable, values: NDArray[np.float64], labels: NDArray[np.int64]) -> Iterator[Finding]:
    """Measured columns that are distributed, class by class, as the published simulator draws them."""
    names = [variable.name for variable in clinical.variables]
    five = [variable.name for variable in DEFAULT_VARIABLES]
    if set(clinical.provenance) != {"measured"} or not set(five) <= set(names):
        return
    columns = values[:, [names.index(name) for name in five]]
    if min((labels == 0).sum(), (labels == 1).sum()) < FEWEST or np.isnan(columns).any():
        return
    from scipy.stats import ks_2samp

    least = 1.0
    for label in (0, 1):
        drawn = class_distributions(label, 20_000, np.random.default_rng(label))
        own = columns[labels == label]
        least = min(least, *(float(ks_2samp(own[:, at], drawn[:, at]).pvalue) for at in range(len(five))))
    if least > LIKELY:
        yield Finding(
            "looks_simulated",
            "warn",
            "Within each class ef, bnp, nyha, sbp and age are distributed as the published simulator draws them from the "
            f"label (least likely column: p = {least:.2f}, Kolmogorov-Smirnov).",
            "if they were simulated, leave them out and let --simulate label say so; a score on them means nothing",
        )


def _definitions(audited: AuditInput, read: tuple[str, ...]) -> Iterator[Finding]:
    """Columns by which the user says that the label was defined."""
    for name in audited.label_definition:
        if name in read:
            yield Finding(
                "defines_label",
                "block",
                f"The label was defined by {name}, and the model would read {name}: it would score its own definition.",
                f"leave the column {name} out of the table the model reads, or remove it from --label-definition",
                column=name,
            )
        elif name not in audited.unread:
            columns = ", ".join((*read, *audited.unread)) or "none"
            yield Finding(
                "definition_unknown",
                "warn",
                f"--label-definition names {name}, which is no column here (there are: {columns}).",
                "name the column as cardiograph calls it, such as ef",
                column=name,
            )
