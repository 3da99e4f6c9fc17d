"""A reference in shards answers as it does in one process, or says which shard is missing."""

import contextlib
import dataclasses
import itertools
import json
import socket
import threading
from contextlib import contextmanager

import httpx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.contracts.conftest import CONFIG, learn, make_problem
from tests.service.conftest import RunningService
from typer.testing import CliRunner

from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.run import RunDirectory
from cardiograph.cli.app import app as program
from cardiograph.errors import ConfigError, RunError, ServiceError
from cardiograph.explain import explain
from cardiograph.inference import Predictor, Query
from cardiograph.inference.cut_shards import cut_shards
from cardiograph.inference.held_shard import HeldShard
from cardiograph.inference.labels import load_any
from cardiograph.inference.own_records import OwnRecords, QueryKeys, own_rows
from cardiograph.inference.shard_access import ShardAccess
from cardiograph.inference.shard_messages import Message, pack_ragged, unpack_ragged
from cardiograph.inference.survival import load_predictor
from cardiograph.monitor.sample import reference_sample
from cardiograph.service.server import AnnouncingServer, Listening
from cardiograph.service.shard_app import ShardApp

KEY = "a secret of some length"


@contextmanager
def held(folder, key=None):
    """Serve a shard on this machine, and yield its address."""
    there, address = threading.Event(), []
    server = AnnouncingServer(
        ShardApp(HeldShard.load(folder), key=key).app,
        Listening("127.0.0.1", 0),
        lambda url: (address.append(url), there.set()),
    )
    thread = threading.Thread(target=server.listen)
    thread.start()
    try:
        assert there.wait(30)
        yield address[0]
    finally:
        server.should_exit = True
        thread.join(30)


@contextmanager
def all_held(folders, key=None):
    """Serve shards, and yield how to reach them; the addresses are in another order than the records."""
    if not folders:
        yield ()
        return
    with held(folders[0], key) as address, all_held(folders[1:], key) as others:
        yield (*others, address)


@contextmanager
def apart(run, out, count=None, key=None):
    """Cut a run, and yield the predictor whose reference records are in shards."""
    folders = cut_shards(run, out, count)
    with all_held(folders, key) as addresses:
        yield load_predictor(out / "service", shards=ShardAccess(addresses, key))


@pytest.fixture(scope="module")
def cut(finished_run, tmp_path_factory):
    """The small run, cut into three."""
    out = tmp_path_factory.mktemp("cut") / "out"
    return out / "service", cut_shards(finished_run, out, 3)


@pytest.fixture(scope="module")
def sharded(cut):
    service, folders = cut
    with all_held(folders) as addresses:
        yield Predictor.load(service, shards=ShardAccess(addresses))


@pytest.fixture(scope="module")
def patients(page, values, predictor):
    reference = predictor.bundle.reference
    known = next(each for each in reference.patient_ids if each)
    return [
        Query(None, values, name="values"),
        Query(page, {}, name="a page that is known"),
        Query(page, values, patient_id=known, name="a patient who is known"),
        Query(None, {"ef": 0.3}, patient_id="nobody", name="one value"),
    ]


def test_answers_and_explanations_are_those_of_one_process(predictor, sharded, patients):
    here, there = (list(each.predict_many(patients)) for each in (predictor, sharded))
    assert here == there
    assert any("is in the reference" in warning for answer in here for warning in answer.warnings)
    for query in patients[:2]:
        assert explain(sharded, query).as_dict() == explain(predictor, query).as_dict()


def test_facts_that_the_service_shows_are_those_of_the_run(predictor, sharded):
    assert len(sharded.records) == len(predictor.records) > 3
    assert sharded.records.prior == predictor.records.prior
    np.testing.assert_array_equal(sharded.records.medians, predictor.records.medians)
    assert sharded.records.trouble() == ""
    assert not len(sharded.bundle.reference), "no record is held here"


def test_the_service_folder_has_no_training_record_and_is_watched_as_the_run_is(finished_run, predictor, cut, sharded):
    run, service = RunDirectory(finished_run), RunDirectory(cut[0])
    split = run.read_table("split.parquet")
    held_out = split["part"] != "train"
    assert 0 < held_out.sum() < len(split)
    for name in ("cohort.parquet", "split.parquet"):
        pd.testing.assert_frame_equal(service.read_table(name), run.read_table(name)[held_out].reset_index(drop=True))
    image = run.read_arrays("embeddings.safetensors")["image"][held_out]
    np.testing.assert_array_equal(service.read_arrays("embeddings.safetensors")["image"], image)
    (one, axes), (other, same_axes) = reference_sample(predictor, run), reference_sample(sharded, service)
    np.testing.assert_array_equal(axes.directions, same_axes.directions)
    for values, there in ((one.numbers, other.numbers), (one.categories, other.categories)):
        assert list(values) == list(there)
        assert all(np.array_equal(values[name], there[name], equal_nan=True) for name in values)


@pytest.mark.parametrize(
    ("name", "shards", "listed"), [("sign", 1, False), ("gcn", 3, True), ("knn_vote", 2, True)], ids=str
)
def test_searches_with_an_index_are_cut_where_the_index_is(name, shards, listed, tmp_path):
    graph = CONFIG.graph.model_copy(update={"exact_up_to": 30 if listed else 10_000, "shards": shards})
    dataset = make_problem(groups=120)
    _, _, predictor = learn(dataset, name, CONFIG.model_copy(update={"graph": graph}))
    assert (predictor.bundle.reference.lists is not None) == listed
    predictor.bundle.save(tmp_path / "bundle", None)
    queries = dataset.queries(dataset.rows("test"))
    with apart(tmp_path / "bundle", tmp_path / "cut", None if listed else 4) as other:
        first, second = predictor.score(queries), other.score(queries)
    np.testing.assert_array_equal(first.neighbours.index, second.neighbours.index)
    np.testing.assert_array_equal(first.neighbours.distance, second.neighbours.distance)
    np.testing.assert_array_equal(first.by_class, second.by_class)
    if listed:
        with pytest.raises(ConfigError, match=f"it can only be cut into {shards}"):
            cut_shards(tmp_path / "bundle", tmp_path / "more", shards + 1)


def test_absent_blocks_several_classes_and_large_batches(tmp_path, monkeypatch):
    dataset = make_problem(groups=60, absent=0.3)
    _, _, predictor = learn(dataset, "sign", CONFIG)
    predictor.bundle.save(tmp_path / "bundle", None)
    monkeypatch.setattr("cardiograph.inference.sharded_records.ROWS_AT_ONCE", 3)
    queries = dataset.queries(dataset.rows("test"))
    with apart(tmp_path / "bundle", tmp_path / "cut", 5) as other:
        first, second = predictor.score(queries), other.score(queries)
    np.testing.assert_array_equal(first.neighbours.index, second.neighbours.index)
    np.testing.assert_array_equal(first.by_class, second.by_class)


def test_time_to_an_event(survival_run, tmp_path):
    predictor = load_predictor(survival_run)
    query = Query(None, {predictor.reads[0]: 0.3 if predictor.reads[0] == "ef" else 60.0})
    with apart(survival_run, tmp_path / "cut", 2) as other:
        (here,), (there,) = predictor.predict_many([query]), other.predict_many([query])
    assert here == there and here.neighbours[0].time is not None


def test_a_copy_answers_when_another_does_not(cut, values, predictor):
    service, folders = cut
    with all_held(folders) as addresses:
        with held(folders[1]) as copy:
            both = Predictor.load(service, shards=ShardAccess([copy, *addresses]))
            unlike = Predictor.load(service, shards=ShardAccess(["http://127.0.0.1:9", *addresses]))
        assert unlike.records.unreached == ("http://127.0.0.1:9 (ConnectionRefusedError)",)
        assert both.predict(clinical=values) == predictor.predict(clinical=values)
    with pytest.raises(ServiceError, match=r"shard \d \(records \d+-\d+\) cannot be used: http"):
        both.predict(clinical=values)
    assert "cannot be used" in both.records.trouble()


def test_a_copy_that_was_down_at_the_start_answers_when_it_is_back(cut, values, predictor):
    service, folders = cut
    said = []
    with all_held(folders[1:]) as others:
        with held(folders[0]) as address, held(folders[0]) as late:
            found = Predictor.load(service, shards=ShardAccess([address, *others]))
        found.records._unreached = {late: "ConnectionRefusedError"}  # as if it had been down
        found.records.watch(said.append)
        with pytest.raises(ServiceError, match="cannot be used"):
            found.predict(clinical=values)
        with held(folders[0]) as back:
            found.records._unreached = {back: "ConnectionRefusedError"}
            assert found.predict(clinical=values) == predictor.predict(clinical=values)
            assert found.records._copies[0][0] == back
    assert "cannot be used" in said[0] and f"{back} answers in place of {address}" in said[-1]


def test_a_shard_that_hangs_is_not_waited_for_twice(cut, values, monkeypatch):
    service, folders = cut
    monkeypatch.setattr("cardiograph.inference.shard_connections.ANSWER_SECONDS", 0.5)
    with all_held(folders) as addresses, socket.create_server(("127.0.0.1", 0)) as silent:
        found = Predictor.load(service, shards=ShardAccess(addresses))
        found.records._copies[2] = [f"http://127.0.0.1:{silent.getsockname()[1]}"]
        with pytest.raises(ServiceError, match=r"shard 2 .*\(TimeoutError\)$"):
            found.predict(clinical=values)


def test_what_is_missing_or_foreign_is_named(cut, tmp_path, survival_run, finished_run, labels_run):
    service, folders = cut
    with pytest.raises(RunError, match="its reference records are in 3 shards; serve it with"):
        load_any(service)
    with pytest.raises(ServiceError, match="holds its reference records itself"):
        load_any(finished_run, shards=ShardAccess(["http://127.0.0.1:9"]))
    with pytest.raises(ConfigError, match="a run of several labels"):
        load_any(labels_run, shards=ShardAccess(["http://127.0.0.1:9"]))
    with held(folders[0]) as address:
        message = r"no address holds shard 1 .*, shard 2 .*; no answer from nonsense \(ValueError\)"
        with pytest.raises(ServiceError, match=message):
            Predictor.load(service, shards=ShardAccess([address, "nonsense"]))
    (foreign, _) = cut_shards(survival_run, tmp_path / "other", 2)
    with held(foreign) as address, pytest.raises(ServiceError, match="a shard of another model or of another cut"):
        Predictor.load(service, shards=ShardAccess([address]))


def test_a_run_is_cut_into_a_new_folder_and_only_if_it_can_be(cut, finished_run, labels_run, tmp_path):
    _, folders = cut
    with pytest.raises(RunError, match="holds files already"):
        cut_shards(finished_run, folders[0].parent, 2)
    with pytest.raises(ConfigError, match="which cannot be cut into 1000 shards"):
        cut_shards(finished_run, tmp_path / "a", 1000)
    with pytest.raises(RunError, match="several labels"):
        cut_shards(labels_run, tmp_path / "b", 2)
    for folder in (finished_run, finished_run / "bundle", tmp_path):
        with pytest.raises(RunError, match="no shard that this version reads"):
            HeldShard.load(folder)
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_a_changed_shard_is_refused(cut, tmp_path):
    import shutil

    _, folders = cut
    copy = shutil.copytree(folders[0], tmp_path / "shard")
    with (copy / "points.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\0\0\1\0")
    with pytest.raises(RunError, match="differs from its checksum"):
        HeldShard.load(copy)


def test_a_shard_asks_for_its_key_and_for_its_own_questions(cut):
    _, folders = cut
    shard = HeldShard.load(folders[0])
    own = {"x-shard": shard.described()["sha256"], "authorization": f"Bearer {KEY}"}
    question = Message({"groups": np.zeros(0, np.int64)}, {}).packed()
    with held(folders[0], KEY) as address, httpx.Client(base_url=address) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/v1/shard").status_code == 401
        assert client.post("/v1/members", content=question, headers=own | {"authorization": "x"}).status_code == 401
        assert client.post("/v1/members", content=question, headers=own | {"x-shard": "0"}).status_code == 409
        assert client.post("/v1/nothing", content=question, headers=own).status_code == 404
        assert client.post("/v1/members", content=question, headers=own).status_code == 200
        assert client.post("/v1/members", content=b"\x80" * 40, headers=own).status_code == 400
        assert client.get("/docs", headers=own).status_code == 404
    with held(folders[0], KEY) as address, pytest.raises(ServiceError, match="refuses the key"):
        Predictor.load(cut[0], shards=ShardAccess([address], "wrong"))


def points(shard, count=1, **changes):
    own = shard._shard.points
    arrays = {
        "values": np.zeros((count, own.values.shape[1]), np.float32),
        "present": np.ones((count, len(own.blocks)), np.uint8),
    }
    arrays |= pack_ragged([np.zeros(0, np.int64)] * count, "forbidden") | changes.pop("arrays", {})
    return Message(arrays, {"k": 3, "metric": "euclidean"} | changes)


@pytest.mark.parametrize(
    ("work", "question", "words"),
    [
        ("nearest", {"k": 0}, "k is 0"),
        ("nearest", {"k": 10**9}, "allowed 1-4096"),
        ("nearest", {"k": True}, "k is True"),
        ("nearest", {"metric": "manhattan"}, "'manhattan'"),
        ("nearest", {"arrays": {"values": np.zeros((1, 1), np.float32)}}, "points of 1 coordinates"),
        ("nearest", {"arrays": {"values": np.zeros(3, np.float32)}}, "values is float32 of 1 axes"),
        ("nearest", {"arrays": {"present": np.ones((1, 9), np.uint8)}}, "coordinates"),
        ("nearest", {"arrays": {"forbidden_ends": np.array([0, 5])}}, "does not divide 0 values into 1"),
    ],
)
def test_a_search_that_is_not_allowed_is_refused(cut, work, question, words):
    shard = HeldShard.load(cut[1][0])
    assert len(shard.answer("nearest", points(shard)).arrays["index"]) == 1
    with pytest.raises(ValueError, match=words):
        shard.answer(work, points(shard, **question))


@pytest.mark.parametrize("work", ["records", "groups"])
def test_rows_of_another_shard_are_refused(cut, work):
    shard = HeldShard.load(cut[1][1])
    first, stop = shard.extent
    for row in (first - 1, stop, -1, 2**62):
        with pytest.raises(ValueError, match=f"allowed {first} to {stop - 1}"):
            shard.answer(work, Message({"rows": np.array([row], np.int64)}, {}))
    assert shard.answer(work, Message({"rows": np.array([first], np.int64)}, {})).arrays


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_refused(content):
    with pytest.raises(ValueError, match="not a message of a shard"):
        Message.unpacked(content)


@given(st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4), max_size=5))
def test_a_message_arrives_as_it_was_sent(rows):
    parts = [np.array(each, np.int64) for each in rows]
    sent = Message(pack_ragged(parts, "rows"), {"text": "é\0", "none": None})
    found = Message.unpacked(sent.packed())
    assert found.facts == sent.facts
    for one, other in zip(parts, unpack_ragged(found, "rows", len(rows)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_own_records_are_found_in_every_shard(predictor):
    """Whichever way the reference is cut, a query has the same own records and reasons."""
    reference = predictor.bundle.reference
    reference = dataclasses.replace(reference, groups=np.arange(len(reference)) // 7)
    hashes = reference.perceptual_hashes
    keys = QueryKeys(
        ["nobody", reference.patient_ids[3], "nobody", "nobody"],
        ["", reference.pixel_hashes[20], reference.pixel_hashes[9], ""],
        [None, None, hashes[9], hashes[11]],
    )
    whole = OwnRecords(reference)
    rows, reasons = own_rows([whole.matches(keys)], whole.members)
    assert reasons == ((), ("this patient", "this page"), ("this page",), ("a near-copy of this page",))
    for bounds in ([0, 10, len(reference)], [0, 1, 2, 12, 30, len(reference)]):
        parts = [(start, OwnRecords(reference.part(start, stop))) for start, stop in itertools.pairwise(bounds)]

        def members(groups, parts=parts):
            return {
                group: np.concatenate(
                    [part.members([group]).get(group, np.zeros(0, int)) + start for start, part in parts]
                )
                for group in groups
            }

        found = own_rows([part.matches(keys) for _, part in parts], members)
        assert found[1] == reasons
        for one, other in zip(rows, found[0], strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_service_answers_and_says_when_it_cannot(cut, served, tmp_path, values):
    service, folders = cut
    with contextlib.ExitStack() as stack:
        addresses = stack.enter_context(all_held(folders))
        access = ShardAccess(["http://127.0.0.1:9", *addresses])
        running = RunningService(Predictor.load(service, shards=access), tmp_path, run=service)
        with running.client as client:
            found = running.ask(values=values).json()
            assert found["prediction"] == served.ask(values=values).json()["prediction"]
            explained = client.get(found["links"]["explanation"])
            assert explained.status_code == 200 and explained.json()["neighbours"]
            assert client.get("/readyz").json() == {"status": "ready"}
            assert client.get("/v1/model").json()["reference_records"] == len(
                running.app.state.serving.predictor.records
            )
            stack.close()
            answer = running.ask(values=values)
            assert (answer.status_code, answer.json()["code"]) == (503, "reference")
            assert client.get("/readyz").json()["code"] == "not_ready"
    logged = [json.loads(line) for line in running.log.getvalue().splitlines()]
    assert logged[0]["addresses"] == ["http://127.0.0.1:9 (ConnectionRefusedError)"]
    assert any("cannot be used" in each.get("error", "") for each in logged)


def test_the_commands(finished_run, tmp_path):
    ran = CliRunner().invoke(
        program, ["shards", "cut", str(finished_run), str(tmp_path / "cut"), "--count", "2", "--json"]
    )
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.output)
    assert len(found["shards"]) == 2
    assert ModelBundle.load(tmp_path / "cut" / "service" / "bundle").shards.bounds[0] == 0
    for environment, words in (({}, "set CARDIOGRAPH_SHARD_KEY"), ({"CARDIOGRAPH_SHARD_KEY": "short"}, "at least 16")):
        arguments = ["shards", "serve", found["shards"][0], "--host", "192.0.2.1"]
        refused = CliRunner().invoke(program, arguments, env=environment)
        assert isinstance(refused.exception, ConfigError) and words in str(refused.exception)
