"""Cohorts under audit, made by hand."""

import numpy as np
import pandas as pd
import pytest

from cardiograph.audit.audit_input import AuditedPages, AuditInput
from cardiograph.containers import ClinicalTable, Cohort, Groups
from cardiograph.imaging.page_metadata import PageMetadata
from cardiograph.schema import DEFAULT_VARIABLES


def make_traits(**changes):
    plain = {
        "file_bytes": 50_000,
        "format": "JPEG",
        "mode": "RGB",
        "width": 1100,
        "height": 780,
        "quantisation": 12.0,
        "brightness": 220.0,
        "grid": (30, 140, 1090, 760),
        "margins": "ff" * 1536,
    }
    return PageMetadata(**plain | changes)


def make_pages(hashes, traits=None, likeness=None, skipped=()):
    rng = np.random.default_rng(0)
    looks = {name: rng.integers(0, 255, 1536, np.uint8) for name in dict.fromkeys(hashes)}
    looks[None] = np.zeros(1536, np.uint8)  # a record without a page
    return AuditedPages(
        traits=traits or [None if name is None else make_traits() for name in hashes],
        pixel_hashes=list(hashes),
        perceptual_hashes=np.array([looks[name] for name in hashes]) if likeness is None else likeness,
        skipped=tuple(skipped),
    )


def make_subject(labels, *, values=None, names=("ef", "bnp", "nyha", "sbp", "age"), columns=None, **changes):
    """A cohort of these labels; ``values`` [records, names] are its clinical block."""
    labels = np.asarray(labels, np.int64)
    count = len(labels)
    table = pd.DataFrame(
        {
            "record_id": [f"r{row}" for row in range(count)],
            "patient_id": [None] * count,
            "label": labels,
            "class_name": ["" if label < 0 else str(label) for label in labels],
            "ecg": [None] * count,
            "split": [None] * count,
            **(columns or {}),
        }
    )
    variables, clinical = (), None
    if values is not None:
        values = np.asarray(values, float).reshape(count, len(names))
        variables = tuple(next(v for v in DEFAULT_VARIABLES if v.name == name) for name in names)
        for at, name in enumerate(names):
            table[name] = values[:, at]
        provenance = changes.pop("provenance", "measured")
        clinical = ClinicalTable(values, variables, (provenance,) * len(names))
    plain = {
        "name": "cohort.csv",
        "pages": None,
        "groups": Groups(np.arange(count)),
        "part": None,
        "split": "none",
        "clinical": clinical,
    }
    return AuditInput(cohort=Cohort(table, variables), **plain | changes)


@pytest.fixture
def audited():
    return make_subject


@pytest.fixture
def pages():
    return make_pages


@pytest.fixture
def traits():
    return make_traits


@pytest.fixture
def rng():
    return np.random.default_rng(0)
