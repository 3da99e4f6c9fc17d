"""Check for clinical columns that leak the label: simulated from it, used to define it, or nearly equal to it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cardiograph.audit.audit_input import AuditInput
from cardiograph.audit.findings import Finding, Probe
from cardiograph.audit.probes import cross_validated_auroc, format_auroc, rank_probe
from cardiograph.containers import ClinicalTable
from cardiograph.features.simulate import class_distributions
from cardiograph.schema import DEFAULT_VARIABLES

MAX_PLAUSIBLE_AUROC = 0.95
"""Clinical values with a higher AUROC are suspected of leaking the label."""

MIN_CLASS_RECORDS = 20
"""Minimum number of records per class for a comparison with the published simulator."""

MIN_SIMULATOR_P_VALUE = 0.01
"""Kolmogorov-Smirnov p-value of the least likely column above which values may come from the published simulator."""


def probe_columns(audited: AuditInput) -> Iterator[Probe | Finding]:
    """Probe each clinical column alone and all columns together, and check where the values come from."""
    clinical = audited.clinical
    if clinical is None or not len(clinical.variables):
        yield from _definitions(audited, ())
        return
    rows = audited.probed
    values, labels, groups = clinical.values[rows], audited.cohort.labels[rows], audited.groups.index[rows]
    several = bool(audited.cohort.classes)
    for column, variable in enumerate(clinical.variables):
        alone = _alone_of_several if several else _alone
        probe = alone(values[:, column], labels, groups, seed=audited.seed, name=f"{variable.name} alone")
        if probe is None:
            continue
        yield probe
        if probe.auroc > MAX_PLAUSIBLE_AUROC:
            yield Finding(
                "column_predicts_label",
                "warn",
                f"{variable.name} alone predicts the label: {format_auroc(probe)}.",
                "find out how it was recorded; if the label was derived from it, declare that with --label-definition",
                column=variable.name,
            )
    together = cross_validated_auroc(
        filled(clinical)[rows], labels, groups, seed=audited.seed, name="all clinical columns together", shortcut=False
    )
    if together is not None:
        yield together
        if together.auroc > MAX_PLAUSIBLE_AUROC:
            yield Finding(
                "columns_predict_label",
                "warn",
                f"All clinical columns together predict the label with plain logistic regression: "
                f"{format_auroc(together)}, {together.how}.",
                "find out whether the columns were derived from the label, or the label from the columns",
            )
    yield from _provenance(clinical)
    if not several:
        labelled = audited.labelled
        yield from _simulator(clinical, clinical.values[labelled], audited.cohort.labels[labelled])
    yield from _definitions(audited, tuple(variable.name for variable in clinical.variables))


def filled(clinical: ClinicalTable) -> NDArray[np.float64]:
    """Return [records, columns] values, log-transformed where the variable says so, gaps filled with the median."""
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
    """Probe one column in the direction in which its AUROC is at least 0.5."""
    from sklearn.metrics import roc_auc_score

    known = ~np.isnan(values)
    values, labels, groups = values[known], labels[known], groups[known]
    if len(np.unique(labels)) < 2 or len(np.unique(values)) < 2:
        return None
    sign, direction = (1, "higher") if roc_auc_score(labels, values) >= 0.5 else (-1, "lower")
    how = f"{direction} values go with label 1"
    return rank_probe(sign * values, labels, groups, seed=seed, name=name, shortcut=False, how=how)


def _alone_of_several(
    values: NDArray[np.float64], labels: NDArray[np.int64], groups: NDArray[np.int64], *, seed: int, name: str
) -> Probe | None:
    """Probe one column; several classes have no direction in which its AUROC is at least 0.5."""
    known = ~np.isnan(values)
    parts = (values[known][:, None], labels[known], groups[known])
    return cross_validated_auroc(*parts, seed=seed, name=name, shortcut=False)


def _provenance(clinical: ClinicalTable) -> Iterator[Finding]:
    """Warn about values that the run itself simulates."""
    drawn = {"simulated from the label", "simulated blind to the label"} & set(clinical.provenance)
    if "simulated from the label" in drawn:
        yield Finding(
            "simulated_from_label",
            "warn",
            "The clinical values are simulated from the label, so a score on them only measures the simulator.",
            "use measured values, or leave them out (--simulate none); reports label such a score as a simulator check",
        )
    if "simulated blind to the label" in drawn:
        yield Finding(
            "simulated_blind",
            "warn",
            "The clinical values are simulated independently of the label, so they carry no information about a patient.",
            "use measured values, or leave them out (--simulate none)",
        )


def _simulator(clinical: ClinicalTable, values: NDArray[np.float64], labels: NDArray[np.int64]) -> Iterator[Finding]:
    """Warn about measured columns whose distribution in each class matches the published simulator."""
    names = [variable.name for variable in clinical.variables]
    five = [variable.name for variable in DEFAULT_VARIABLES]
    if set(clinical.provenance) != {"measured"} or not set(five) <= set(names):
        return
    columns = values[:, [names.index(name) for name in five]]
    if min((labels == 0).sum(), (labels == 1).sum()) < MIN_CLASS_RECORDS or np.isnan(columns).any():
        return
    from scipy.stats import ks_2samp

    least = 1.0
    for label in (0, 1):
        drawn = class_distributions(label, 20_000, np.random.default_rng(label))
        own = columns[labels == label]
        least = min(least, *(float(ks_2samp(own[:, at], drawn[:, at]).pvalue) for at in range(len(five))))
    if least > MIN_SIMULATOR_P_VALUE:
        yield Finding(
            "looks_simulated",
            "warn",
            "Within each class, ef, bnp, nyha, sbp and age follow the distributions from which the published simulator "
            f"draws them (least likely column: p = {least:.2f}, Kolmogorov-Smirnov).",
            "if they were simulated, leave them out and use --simulate label instead; a score on them means nothing",
        )


def _definitions(audited: AuditInput, read: tuple[str, ...]) -> Iterator[Finding]:
    """Block columns that define the label according to the user, and warn about unknown names."""
    for name in audited.label_definition:
        if name in read:
            yield Finding(
                "defines_label",
                "block",
                f"The label was defined by {name}, which the model would read: it would predict its own definition.",
                f"remove the column {name} from the table that the model reads, or from --label-definition",
                column=name,
            )
        elif name not in audited.unread:
            columns = ", ".join((*read, *audited.unread)) or "none"
            yield Finding(
                "definition_unknown",
                "warn",
                f"--label-definition names {name}, which is not a column of this table (columns: {columns}).",
                "use the name that cardiograph gives the column, such as ef",
                column=name,
            )
