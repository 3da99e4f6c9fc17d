"""A Ray cluster of two nodes on this machine gives what threads give, and may lose a node."""

import threading
from functools import partial

import numpy as np
import pandas as pd
import pytest
from tests.inference.test_table import run, scored, table  # noqa: F401 - fixtures
from tests.workers.test_place import CONFIG, assert_same_links, cohort, linked, read_at  # noqa: F401 - a fixture

from cardiograph.config import GraphConfig
from cardiograph.errors import RunError
from cardiograph.ingest.ecg_worker import EcgWorker, UnreadFile
from cardiograph.workers import current_workers, work_on

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster():
    """Cluster of two nodes with one core each; the first is the head."""
    from ray.cluster_utils import Cluster

    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_worker_niceness", "0")
    patch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": 100_000_000, "include_dashboard": False},
    )
    made.add_node(num_cpus=1, object_store_memory=100_000_000)
    patch.setenv("RAY_ADDRESS", made.address)
    yield made
    ray.shutdown()
    made.shutdown()
    patch.undo()


def test_two_nodes_give_what_threads_give_though_one_is_lost(cluster, cohort, tmp_path):  # noqa: F811
    one, measured, _ = read_at("threads", cohort, tmp_path / "threads")
    lost = next(node for node in cluster.list_all_nodes() if node is not cluster.head_node)
    alone = threading.Timer(3, cluster.remove_node, [lost], {"allow_graceful": False})
    alone.start()
    other, measured_elsewhere, embedded = read_at("ray", cohort, tmp_path / "ray")
    alone.join()
    assert one[:3] == other[:3]
    np.testing.assert_array_equal(one[3], other[3])
    np.testing.assert_array_equal(measured, measured_elsewhere)
    assert all(embedded)


def test_shards_of_the_graph_are_searched_by_nodes(cluster):
    config = GraphConfig(shards=3, exact_up_to=400)
    assert_same_links(linked("ray", config), linked("threads", config))


def test_a_table_is_scored_by_nodes(cluster, run, table):  # noqa: F811
    frame, *rest = scored(run, table, 100)
    with work_on("ray"):
        elsewhere, *other = scored(run, table, 3)
    pd.testing.assert_frame_equal(elsewhere, frame, check_exact=True)
    assert other == rest


def test_all_results_come_back_and_errors_are_those_of_the_task(cluster, tmp_path):
    with work_on("ray"):
        workers = current_workers()
        assert sorted(workers.map(partial(int, "3"), pow, range(20))) == [3**number for number in range(20)]
        unseen = UnreadFile(tmp_path / "not mounted" / "a.dcm", "a.dcm", None)
        with pytest.raises(RunError, match="mount the folder"):
            list(workers.map(partial(EcgWorker, CONFIG, None), EcgWorker.index, [[unseen]]))


def test_an_address_without_a_cluster_is_named(monkeypatch):
    ray.shutdown()
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with work_on("ray"), pytest.raises(RunError, match=r"127\.0\.0\.1:1.*ray start"):
        current_workers().count()
