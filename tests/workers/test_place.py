"""Work is given to threads, processes or Ray by name; the results are the same."""

import os
import signal
from dataclasses import asdict
from functools import partial

import numpy as np
import pandas as pd
import pytest
from tests.graph.test_shards import mixture, points

from cardiograph.artifacts.cache import PageCache
from cardiograph.config import GraphConfig, load_config
from cardiograph.containers import Cohort
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.writers import ecg_files
from cardiograph.errors import ConfigError, EcgError, Issue, PageError, RunError
from cardiograph.graph.attach import build_graph
from cardiograph.ingest import ecg_worker
from cardiograph.ingest.context import InputStore, RunContext
from cardiograph.ingest.embed import embed_pages
from cardiograph.ingest.encoder_choice import choose_encoder, with_known_encoder
from cardiograph.ingest.leads import measure_ecgs
from cardiograph.ingest.page_index import index_pages
from cardiograph.progress import NoProgress
from cardiograph.synthesis.heart import record_ecg
from cardiograph.synthesis.waves import Heart
from cardiograph.threads import available_threads
from cardiograph.workers import current_workers, work_on
from cardiograph.workers.processes import ProcessWorkers

CONFIG = load_config(overrides={"pages": {"skip_bad": True}})


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Cohort of nine recordings, a copy of the first under another name, and a file that is no ECG."""
    folder, names = tmp_path_factory.mktemp("recordings"), []
    for number in [*range(9), 0]:
        signals = record_ecg(Heart(rate=60 + number), np.random.default_rng(number)).astype(np.float32)
        files = ecg_files(Ecg(signals, 500.0, "simulated"), "dicom", f"p{len(names)}")
        for file, content in files.items():
            (folder / file).write_bytes(content)
        names.append(str(folder / next(iter(files))))
    (folder / "broken.dcm").write_bytes(b"no ECG")
    names.append(str(folder / "broken.dcm"))
    columns = {
        "record_id": [f"r{row}" for row in range(len(names))],
        "patient_id": None,
        "class_name": "c",
        "split": None,
    }
    return Cohort(pd.DataFrame({**columns, "label": np.arange(len(names)) % 2, "ecg": names}), ())


def read_at(place, cohort, folder, config=CONFIG):
    """Return facts, issues, embeddings and measurements of a cohort that was read with an empty cache."""
    with PageCache(folder) as cache, work_on(place):
        context = RunContext(config, cache, NoProgress(), inputs=InputStore(2**20))
        kept, pages = index_pages(cohort, with_known_encoder(context))
        encoder = choose_encoder(pages, context)
        cached = [cache.embedding(encoder.facts.fingerprint, facts.leads_key) is not None for facts in pages.facts]
        values = embed_pages(pages, encoder.engine, encoder.facts, context).values
        found = list(map(asdict, pages.facts)), pages.skipped, list(kept.record_ids), values
        return found, measure_ecgs(pages, context), cached


@pytest.mark.slow
def test_processes_read_and_embed_as_threads_do(cohort, tmp_path):
    one, measured, before = read_at("threads", cohort, tmp_path / "threads")
    other, measured_elsewhere, embedded = read_at("processes:2", cohort, tmp_path / "processes")
    assert one[:3] == other[:3]
    assert len(one[1]) == 1
    np.testing.assert_array_equal(one[3], other[3])
    np.testing.assert_array_equal(measured, measured_elsewhere)
    assert not any(before)
    assert all(embedded)  # a worker embeds what it has just read


@pytest.mark.slow
def test_what_was_read_before_is_embedded_elsewhere(cohort, tmp_path):
    with PageCache(tmp_path) as cache:
        context = RunContext(CONFIG, cache, NoProgress(), inputs=InputStore(2**20))
        _, pages = index_pages(cohort, context)
        encoder = choose_encoder(pages, context)
        with work_on("processes:2"):
            elsewhere = embed_pages(pages, encoder.engine, encoder.facts, context).values
    with PageCache(tmp_path / "other") as cache:
        context = RunContext(CONFIG, cache, NoProgress(), inputs=InputStore(2**20))
        np.testing.assert_array_equal(embed_pages(pages, encoder.engine, encoder.facts, context).values, elsewhere)


def times(factor, number):
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    if number > 90:
        issue = Issue(f"row {number}", "", "", "numbers up to 90", "use a smaller one", "large")
        message = "A number is too large."
        raise EcgError(message, [issue])
    return factor * number


@pytest.mark.slow
def test_results_errors_and_a_killed_worker():
    workers = ProcessWorkers(2)
    assert sorted(workers.map(partial(int, "3"), times, range(20))) == [3 * number for number in range(20)]
    with pytest.raises(EcgError) as error:
        list(workers.map(partial(int, "3"), times, [1, 99]))
    assert error.value.issues[0].where == "row 99"
    with pytest.raises(RunError, match="killed"):
        list(workers.map(partial(int, "3"), times, [1, -1, 2]))


def broken():
    message = "The encoder cannot be made."
    raise EcgError(message)


@pytest.mark.slow
def test_an_error_of_the_start_is_that_error_and_no_killed_worker():
    with pytest.raises(EcgError, match="cannot be made"):
        list(ProcessWorkers(1).map(broken, times, [1]))


def threads_of(_state, _task):
    return available_threads()


@pytest.mark.slow
def test_a_worker_uses_one_thread():
    assert list(ProcessWorkers(2).map(partial(int, "3"), threads_of, [1])) == [1]


@pytest.mark.parametrize(
    "place", ["", "thread", "processes:", "processes:0", "processes:-1", "processes:x", "ray:", "ray://"]
)
def test_another_place_is_refused_by_name(place):
    with pytest.raises(ConfigError, match="threads, processes, processes:N, ray"), work_on(place):
        pass


def test_a_block_ends_its_place():
    assert current_workers() is None
    with work_on("processes:3"):
        assert current_workers().count() == 3
        with work_on("threads"):
            assert current_workers() is None
    assert current_workers() is None


def test_ray_without_the_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ConfigError, match=r"cardiograph\[ray\]"), work_on("ray"):
        pass


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path):
    worker = ecg_worker.EcgWorker(CONFIG, None)
    here = ecg_worker.UnreadFile(tmp_path / "missing.dcm", "missing.dcm", None)
    [indexed] = worker.index([here])
    assert isinstance(indexed.found, PageError)
    elsewhere = ecg_worker.UnreadFile(tmp_path / "not mounted" / "a.dcm", "a.dcm", None)
    with pytest.raises(RunError, match="mount the folder"):
        worker.index([elsewhere])


def linked(place, config):
    """Return the graph of 1,500 records in 500 groups, linked at another place."""
    places = points(mixture(1500, seed=0))
    with work_on(place):
        return build_graph(places, np.arange(1500), np.arange(1500) // 3, config)


def assert_same_links(found, expected):
    np.testing.assert_array_equal(found.neighbours.index, expected.neighbours.index)
    np.testing.assert_array_equal(found.neighbours.distance, expected.neighbours.distance)
    assert type(found.lists) is type(expected.lists)


@pytest.mark.slow
@pytest.mark.parametrize("exact_up_to", [10_000, 400])
def test_shards_of_the_graph_are_searched_by_processes(exact_up_to):
    config = GraphConfig(shards=2, exact_up_to=exact_up_to)
    assert_same_links(linked("processes:2", config), linked("threads", config))


def test_a_cluster_that_does_not_start_is_no_traceback(monkeypatch):
    ray = pytest.importorskip("ray")

    def late(**_):
        message = "The current node timed out during startup."
        raise Exception(message)

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", late)
    with work_on("ray"), pytest.raises(RunError, match="on this machine cannot be used"):
        current_workers().count()
