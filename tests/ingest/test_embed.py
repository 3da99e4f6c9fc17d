"""Pages are read once where memory allows, and the embeddings are the same to the bit where it does not."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cardiograph.artifacts.cache import PageCache
from cardiograph.config import EncoderConfig, RunConfig
from cardiograph.containers import Cohort
from cardiograph.encoders.engine import EncoderFacts
from cardiograph.errors import PageError
from cardiograph.ingest import embed
from cardiograph.ingest.context import InputStore, RunContext
from cardiograph.ingest.embed import embed_pages
from cardiograph.ingest.page_index import index_pages
from cardiograph.progress import NoProgress

PICTURES = RunConfig(encoder=EncoderConfig(name="resnet18"))

INPUT_BYTES = 4 * 3 * 224**2
ALL = 100 * INPUT_BYTES


SQUARES = EncoderFacts("0" * 64, "squares", "torch", "f32", "none")


class Squares:
    """Stands in for the encoder: 512 values of the input, as they are; after ``stop_after`` pages it breaks."""

    def __init__(self, stop_after=None):
        self.pages, self.stop_after = 0, stop_after

    def run(self, inputs):
        for page in inputs:
            if self.pages == self.stop_after:
                raise KeyboardInterrupt
            self.pages += 1
            yield page.ravel()[:: page.size // 512][:512].copy()


@pytest.fixture
def cohort(cohort_table):
    """Six different pages; the last record has the page of the first."""
    files = sorted((cohort_table.parent / "pages").glob("*.jpg"))[:6]
    names = [str(file) for file in [*files, files[0]]]
    labels = np.arange(7) % 2
    columns = {"record_id": [f"r{row}" for row in range(7)], "patient_id": None, "class_name": "c", "split": None}
    return Cohort(pd.DataFrame({**columns, "label": labels, "ecg": names}), ())


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files that the embedding reads again."""
    names, read = [], embed.read_view

    def counted(path, *rest):
        names.append(path.name)
        return read(path, *rest)

    monkeypatch.setattr(embed, "read_view", counted)
    return names


@pytest.fixture
def open_context(tmp_path):
    """Return a run context whose input store takes this many bytes, with its own cache unless one is given."""
    caches = []

    def open_one(limit, name=None):
        caches.append(PageCache(tmp_path / (name or f"cache {len(caches)}")))
        return RunContext(PICTURES, caches[-1], NoProgress(), inputs=InputStore(limit))

    yield open_one
    for cache in caches:
        cache.close()


def embedded(cohort, context, engine=None):
    _, page_index = index_pages(cohort, context)
    return embed_pages(page_index, engine or Squares(), SQUARES, context).values


def test_a_page_is_read_once_and_a_copy_embedded_once(cohort, open_context, decoded):
    engine = Squares()
    values = embedded(cohort, open_context(ALL), engine)
    assert decoded == []
    assert engine.pages == 6
    np.testing.assert_array_equal(values[0], values[6])
    assert len(np.unique(values, axis=0)) == 6


@pytest.mark.parametrize(("limit", "again"), [(0, 6), (INPUT_BYTES - 1, 6), (2 * INPUT_BYTES + 5, 4), (ALL, 0)])
def test_what_the_store_has_no_room_for_is_read_again_to_the_same_bits(cohort, open_context, decoded, limit, again):
    expected = embedded(cohort, open_context(0))
    decoded.clear()
    context = open_context(limit)
    np.testing.assert_array_equal(embedded(cohort, context), expected)
    assert len(context.inputs) == 6 - again
    assert len(decoded) == again


def test_the_store_stays_within_its_bytes_from_many_threads():
    store = InputStore(3 * INPUT_BYTES)
    made = np.zeros((3, 224, 224), np.float32)
    assert made.nbytes == INPUT_BYTES
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: store.keep((str(number), (0, 0, 1, 1)), made.copy), range(500)))
    assert len(store) == 3
    store.clear()
    assert len(store) == 0


def test_an_input_is_of_the_page_and_its_view():
    store = InputStore(ALL)
    store.keep(("page", (0, 0, 9, 9)), lambda: np.ones((3, 224, 224), np.float32))
    assert store.get(("page", (0, 0, 9, 8))) is None
    assert store.get(("other", (0, 0, 9, 9))) is None
    assert store.get(("page", (0, 0, 9, 9))) is not None


def test_stopped_in_the_middle_it_goes_on_behind_the_last_embedding(cohort, open_context, decoded):
    expected = embedded(cohort, open_context(ALL))
    with pytest.raises(KeyboardInterrupt):
        embedded(cohort, open_context(ALL, "stopped"), Squares(stop_after=4))
    decoded.clear()
    rest = Squares()
    context = open_context(ALL, "stopped")
    np.testing.assert_array_equal(embedded(cohort, context, rest), expected)
    assert rest.pages == 2
    assert len(decoded) == 2  # all pages were in the cache, so that none was read
    assert context.images_per_second.keys() == {"embedding pages"}


def test_the_pace_counts_only_what_was_computed(cohort, open_context):
    context = open_context(ALL, "known")
    embedded(cohort, context)
    assert context.images_per_second.keys() == {"reading ECGs", "embedding pages"}
    assert min(context.images_per_second.values()) > 0
    again = open_context(ALL, "known")
    embedded(cohort, again)
    assert again.images_per_second == {}


def test_a_page_that_changed_before_it_was_read_again_is_refused(cohort, open_context, tmp_path):
    first, second = (Path(page) for page in cohort.table["ecg"][:2])
    page = tmp_path / "page.jpg"
    shutil.copy(first, page)
    context = open_context(0)
    _, page_index = index_pages(Cohort(cohort.table[:1].assign(ecg=str(page)), ()), context)
    shutil.copy(second, page)
    with pytest.raises(PageError, match="A page changed"):
        embed_pages(page_index, Squares(), SQUARES, context)
