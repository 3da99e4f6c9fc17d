"""A small cohort of pages with copies, a shared cohort with a trivial encoder, and a table of clinical values."""

import numpy as np
import pandas as pd
import pytest

from cardiograph.artifacts.cache import PageCache
from cardiograph.config import load_config
from cardiograph.ingest import encoder_choice
from cardiograph.studies.faults.records import AugmentationPool
from cardiograph.studies.shared_cohort import SharedCohort

CLASSES = ("normal", "infarction", "old infarction")
FAST = {"width": 16, "epochs": 12, "patience": 12}


class Means:
    """Encoder stub: 512 means over the view."""

    input_shape = (3, 224, 224)

    def run(self, inputs):
        for page in inputs:
            yield page[0, :224, :224].reshape(16, 14, 32, 7).mean(axis=(1, 3)).ravel().astype(np.float32)


@pytest.fixture
def cheap_encoder(monkeypatch):
    """Replace the encoder by :class:`Means`."""
    monkeypatch.setattr(encoder_choice, "make_engine", lambda *_, **__: Means())


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """Folder of 18 drawn pages of 18 patients."""
    from cardiograph.synthesis.cohort import write_cohort

    write_cohort(tmp_path_factory.mktemp("pages") / "drawn", patients=18, seed=5, workers=1)
    return sorted((tmp_path_factory.getbasetemp()).glob("pages*/drawn/pages/*.jpg"))[:18]


@pytest.fixture(scope="session")
def page_table(pages, tmp_path_factory):
    """18 different pages in three classes; the first six are there three times: 30 records."""
    rows = [*range(18), *range(6), *range(6)]
    table = pd.DataFrame(
        {
            "ecg": [str(pages[row]) for row in rows],
            "label": [CLASSES[0] if row % 3 else CLASSES[1 + row % 2] for row in rows],
        }
    )
    path = tmp_path_factory.mktemp("cohort") / "pages.csv"
    table.to_csv(path, index=False)
    return path


def page_settings(**sections):
    base = {"cohort": {"positive": list(CLASSES[1:])}, "encoder": {"weights": "random"}, "model": FAST}
    for name, section in sections.items():
        base[name] = {**base.get(name, {}), **section}
    return load_config(None, base)


@pytest.fixture
def make_shared_cohort(page_table, cheap_encoder, cache_folder):
    """Make a shared cohort of the pages."""
    caches = []

    def make(source=page_table, pool=None, **sections):
        caches.append(PageCache(cache_folder))
        shared_cohort = SharedCohort(source, page_settings(**sections), caches[-1], pool=pool or AugmentationPool(0, 8))
        shared_cohort.prepare_encoder()
        return shared_cohort

    return make


@pytest.fixture
def shared_cohort(make_shared_cohort):
    return make_shared_cohort()


@pytest.fixture(scope="session")
def values_table(tmp_path_factory):
    """90 records of 60 patients with clinical values that depend on the label, with a split and without pages."""
    rng = np.random.default_rng(0)
    patient = np.concatenate([np.arange(60), np.arange(30)])
    label = patient % 2
    table = pd.DataFrame(
        {
            "patient_id": [f"p{number}" for number in patient],
            "label": label,
            "ef": np.clip(rng.normal(0.58 - 0.1 * label, 0.07), 0.2, 0.75).round(3),
            "age": np.clip(rng.normal(60 + 5 * label, 9), 30, 90).round(),
            "split": np.where(patient % 5 == 0, "test", np.where(patient % 5 == 1, "val", "train")),
        }
    )
    path = tmp_path_factory.mktemp("cohort") / "values.csv"
    table.to_csv(path, index=False)
    return path
