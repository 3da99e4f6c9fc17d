"""Tables of synthetic records: the cohort table for models, and the ground truth that is hidden from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.synthesis.ceiling import MISSING_SHARE, SETS
from cardiograph.synthesis.density import ALL_VARIABLES, join, posterior, posteriors
from cardiograph.synthesis.patients import Record
from cardiograph.synthesis.states import PATTERNS, PHENOTYPES, components
from cardiograph.synthesis.variables import CONDUCTIONS, LATENTS, RHYTHMS, column

if TYPE_CHECKING:
    import pandas as pd

_CLASSES = {"rhythm": RHYTHMS, "conduction": CONDUCTIONS, "nyha": (1, 2, 3, 4)}


def truth_table(records: Iterable[Record]) -> pd.DataFrame:
    """Build the table of the ground truth.

    Args:
        records: Records of :func:`cardiograph.synthesis.patients.patient_records`.
        ecg_file: Function that returns the file of a record id, relative to the table.

    Returns:
        One row per record: ``record_id``, ``patient_id``, ``label``, ``phenotype``, ``severity``, ``pattern``,
        ``rhythm``, ``conduction``, each latent variable in its unit (NaN if the rhythm has none), ``nyha``,
        ``<name>_missing``, P(label = 1) given all variables, the screening variables, the clinical variables or the ECG
        (``bayes_*``), and P(label = 1) given all variables that are in the table (``bayes_recorded``).
    """
    import pandas as pd

    records = list(records)
    latents, table = join([record.latents for record in records]), components()
    columns: dict[str, Any] = {
        "record_id": [record.record_id for record in records],
        "patient_id": [record.patient_id for record in records],
        "label": latents.label,
        "phenotype": np.array(PHENOTYPES)[table.phenotype[latents.component]],
        "severity": table.severity[latents.component],
        "pattern": np.array(list(PATTERNS))[table.pattern[latents.component]],
        "rhythm": np.array(RHYTHMS)[latents.rhythm],
        "conduction": np.array(CONDUCTIONS)[latents.conduction],
    }
    for place, latent in enumerate(LATENTS):
        columns[latent.name] = latent.from_gaussian(latents.gaussian[:, place])
    columns["nyha"] = latents.nyha
    recorded = latents.gaussian.copy()
    for name in MISSING_SHARE:
        columns[f"{name}_missing"] = np.array([name in record.missing for record in records])
        recorded[columns[f"{name}_missing"], column(name)] = np.nan
    columns |= {f"bayes_{key}": value for key, value in posteriors(latents, SETS).items()}
    columns["bayes_recorded"] = posterior(latents.with_gaussian(recorded), ALL_VARIABLES)
    return pd.DataFrame(columns)


def latent_matrix(
    truth: pd.DataFrame, records: Sequence[str] | None = None, *, variables: Sequence[str] = ALL_VARIABLES
) -> NDArray[np.float64]:
    """Return the true latent variables as regressors, for the best possible linear model.

    Args:
        truth: Table from :func:`truth_table`, or from ``truth.parquet``.
        records: Record ids in the required order; None for all records of the truth.
        variables: Names from :data:`cardiograph.synthesis.density.ALL_VARIABLES`.

    Returns:
        [records, columns] float64: each latent variable on its Gaussian scale (logarithm or logit), with the value of a
        healthy heart if the rhythm has none, and an indicator for each class of rhythm, conduction and NYHA but the
        first.

    Raises:
        ValueError: If the truth does not contain a record.
    """
    known = truth.set_index("record_id")
    records = list(known.index if records is None else records)
    unknown = [record for record in records if record not in known.index]
    if unknown:
        message = f"truth has no record {unknown[0]!r} ({len(unknown)} such); give the truth table of the same cohort"
        raise ValueError(message)
    rows = known.loc[records]
    columns: list[NDArray[np.float64]] = []
    for latent in LATENTS:
        if latent.name in variables:
            values = rows[latent.name].to_numpy(np.float64)
            columns.append(latent.to_gaussian(np.where(np.isnan(values), latent.median, values)))
    for name, classes in _CLASSES.items():
        if name in variables:
            columns += [np.asarray(rows[name] == value, np.float64) for value in classes[1:]]
    return np.stack(columns, axis=1)


def cohort_table(records: Iterable[Record], ecg_file: Callable[[str], str] = "pages/{}.jpg".format) -> pd.DataFrame:
    """Build the cohort table as a user would have it, with values rounded like those of instruments.

    Args:
        records: Records of :func:`cardiograph.synthesis.patients.patient_records`.
        ecg_file: Function that returns the file of a record id, relative to the table.

    Returns:
        One row per record: ``record_id``, ``patient_id``, ``ecg``, ``label``, the five clinical variables (text, empty
        if missing), ``site`` and ``acquired_at``.
    """
    import pandas as pd

    decimals = {"ef": 3, "bnp": 1, "nyha": 0, "sbp": 0, "age": 0}
    units = {latent.name: latent for latent in LATENTS}
    rows = []
    for record in records:
        row: dict[str, Any] = {
            "record_id": record.record_id,
            "patient_id": record.patient_id,
            "ecg": ecg_file(record.record_id),
            "label": int(record.latents.label[0]),
        }
        for name, places in decimals.items():
            if name in record.missing:
                row[name] = ""
            elif name == "nyha":
                row[name] = int(record.latents.nyha[0])
            else:
                value = units[name].from_gaussian(record.latents.gaussian[0, column(name)])
                row[name] = f"{float(value):.{places}f}"
        rows.append({**row, "site": record.site, "acquired_at": record.acquired_at})
    return pd.DataFrame(rows)
