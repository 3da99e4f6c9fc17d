"""What was checked is what answers: a bundle that is damaged, changed or half written is refused by name."""

import json
import math
import os
import shutil
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardiograph.artifacts import checked, files
from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.checked import CheckedFiles, sealed
from cardiograph.config import load_config
from cardiograph.errors import CardiographError, RunError
from cardiograph.inference import Predictor
from cardiograph.run.pipeline import run

VALUES = {"ef": 0.35, "sbp": 120, "age": 60}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The bundle of a small run on clinical values."""
    folder, rng = tmp_path_factory.mktemp("clinical"), np.random.default_rng(0)
    labels = rng.integers(0, 2, 120)
    table = {
        "patient_id": [f"p{row}" for row in range(120)],
        "label": labels,
        "ef": np.clip(0.6 - 0.15 * labels + rng.normal(0, 0.08, 120), 0.1, 0.85).round(3),
        "sbp": rng.integers(100, 170, 120),
        "age": rng.integers(40, 80, 120),
    }
    pd.DataFrame(table).to_csv(folder / "cohort.csv", index=False)
    config = {"model": {"epochs": 8, "patience": 8, "baselines": ["logistic"]}, "evaluation": {"bootstrap": 100}}
    return run(folder / "cohort.csv", folder / "run", load_config(None, config)).path / "bundle"


@pytest.fixture
def bundle(made, tmp_path):
    """A copy of the bundle."""
    return shutil.copytree(made, tmp_path / "bundle")


def facts_of(bundle):
    facts = json.loads((bundle / "bundle.json").read_text())
    del facts["checksum"]
    return facts


def write_facts(bundle, facts):
    """Write ``bundle.json`` with a checksum that holds, as an attacker would."""
    (bundle / "bundle.json").write_text(json.dumps(sealed(facts)))


def resign(bundle, name):
    """Give a file that was changed the checksum that holds."""
    facts = facts_of(bundle)
    facts["sha256"][name] = files.sha256_of(bundle / name)
    write_facts(bundle, facts)


def probability(bundle):
    return Predictor.load(bundle).predict(None, VALUES).probability


def test_a_bundle_gives_the_same_answer_wherever_it_lies(made, bundle):
    assert probability(bundle) == probability(made)
    assert ModelBundle.load(bundle).sha256 == files.sha256_of(bundle / "bundle.json")


def test_a_digit_changed_in_the_facts_is_refused(bundle):
    path = bundle / "bundle.json"
    facts = json.loads(path.read_text())
    facts["scaler"]["means"][0] += 0.1
    path.write_text(json.dumps(facts))
    with pytest.raises(RunError, match=r"bundle\.json: differs from its checksum; .* copy or make it again"):
        Predictor.load(bundle)


def test_white_space_and_the_order_of_keys_do_not_count(bundle):
    path = bundle / "bundle.json"
    path.write_text(json.dumps(dict(reversed(json.loads(path.read_text()).items()))))
    Predictor.load(bundle)


@pytest.mark.parametrize("name", ["../outside.json", "/etc/passwd", "a/b", "..", "", "x\0y", "bundle.json"])
def test_names_are_plain_file_names(bundle, name):
    (bundle.parent / "outside.json").write_text("{}")
    facts = facts_of(bundle)
    facts["sha256"][name] = files.sha256_of(bundle.parent / "outside.json")
    write_facts(bundle, facts)
    with pytest.raises(RunError, match="not a plain file name"):
        Predictor.load(bundle)


def test_a_file_without_a_checksum_is_not_read(bundle):
    facts = facts_of(bundle)
    del facts["sha256"]["space.safetensors"]
    write_facts(bundle, facts)
    with pytest.raises(RunError, match=r"space\.safetensors: has no checksum in bundle\.json"):
        Predictor.load(bundle)


@pytest.mark.parametrize("name", ["bundle.json", "reference.safetensors", "reference.json"])
@pytest.mark.parametrize("kind", ["device", "fifo", "folder"])
def test_a_file_of_the_bundle_that_is_no_file_is_refused_at_once(bundle, name, kind):
    (bundle / name).unlink()
    if kind == "device":
        (bundle / name).symlink_to("/dev/zero")
    elif kind == "fifo":
        os.mkfifo(bundle / name)
    else:
        (bundle / name).mkdir()
    with pytest.raises(RunError, match=f"{name}: not a file"):
        Predictor.load(bundle)


def deep_json(bundle):
    (bundle / "bundle.json").write_text('{"a":' * 100_000)


def nan_in_json(bundle):
    text = (bundle / "bundle.json").read_text()
    (bundle / "bundle.json").write_text(text.replace('"prior": null', '"prior": NaN'))


def changed(name, *, drop=None, **values):
    """Damage to ``bundle.json`` with a checksum that holds."""

    def damage(bundle):
        facts = facts_of(bundle)
        facts.pop(drop, None)
        write_facts(bundle, facts | values)

    damage.__name__ = name
    return damage


def with_header(length):
    """Damage: safetensors whose header claims a length."""

    def damage(bundle):
        path = bundle / "reference.safetensors"
        path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
        resign(bundle, path.name)

    damage.__name__ = f"header_of_{length}"
    return damage


def with_offsets(first, last):
    """Damage: an array that does not lie in its file."""

    def damage(bundle):
        path = bundle / "reference.safetensors"
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        header["degree"]["data_offsets"] = [first, last]
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
        resign(bundle, path.name)

    damage.__name__ = f"offsets_{first}_{last}"
    return damage


def short_names(bundle):
    names = json.loads((bundle / "reference.json").read_text())
    (bundle / "reference.json").write_text(json.dumps(names | {"record_ids": names["record_ids"][1:]}))
    resign(bundle, "reference.json")


def nan_in_arrays(bundle):
    path = bundle / "reference.safetensors"
    arrays = files.read_arrays(path)
    files.write_arrays(path, arrays | {"features": np.full_like(arrays["features"], np.nan)})
    resign(bundle, path.name)


def no_json(bundle):
    (bundle / "bundle.json").write_bytes(b"\xff\xfe\0")


DAMAGES = [
    *(deep_json, nan_in_json, no_json, short_names, nan_in_arrays),
    *(with_header(2**62), with_header(2**64 - 1), with_header(0), with_offsets(-8, 400), with_offsets(0, 2**62)),
    *(changed(f"without_{key}", drop=key) for key in ("schema", "model", "fusion", "sha256", "states", "probe")),
    changed("schema_3", schema=3),
    changed("threshold_in_words", threshold="high"),
    changed("threshold_beyond_1", threshold=7.0),
    changed("network_of_other_size", model={"name": "sign", "width": 8}),
    changed("no_such_model", model={"name": "oracle"}),
    changed("states_without_end", states=10**9),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda each: each.__name__)
def test_a_damaged_bundle_is_a_named_error(bundle, damage):
    damage(bundle)
    with pytest.raises(RunError, match="bundle"):
        Predictor.load(bundle)


def places(content, path=()):
    """Every place in JSON."""
    yield path
    children = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in list(children)[:12]:
        yield from places(value, (*path, key))


def put(content, path, value):
    """A copy of JSON with another value at a place; ``...`` removes what is there."""
    copy = json.loads(json.dumps(content))
    if not path:
        return copy
    inside = copy
    for key in path[:-1]:
        inside = inside[key]
    if value is ...:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return copy


ODD = st.sampled_from([..., None, True, "", "x", "1", -1, 0, 2, 0.5, 1e308, 10**30, -(10**30), [], [[1]], {}, {"a": 1}])


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_fact_may_be_changed_and_the_answer_is_a_probability_or_a_named_error(made, tmp_path_factory, data):
    """With a checksum that holds: nothing but the reader's own checks stands between the facts and the answer."""
    facts = facts_of(made)
    bundle = tmp_path_factory.getbasetemp() / "fuzzed"
    if not bundle.exists():
        shutil.copytree(made, bundle)
    place = data.draw(st.sampled_from([path for path in places(facts) if path[:1] != ("sha256",)]))
    write_facts(bundle, put(facts, place, data.draw(ODD)))
    try:
        answer = Predictor.load(bundle).predict(None, VALUES)
    except CardiographError:
        return
    assert 0 <= answer.probability <= 1 and math.isfinite(answer.probability)
    json.dumps(answer.as_dict(), allow_nan=False)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_bytes_changed_in_the_facts_change_no_answer(made, tmp_path_factory, data):
    bundle = tmp_path_factory.getbasetemp() / "bytes"
    if not bundle.exists():
        shutil.copytree(made, bundle)
    content = bytearray((made / "bundle.json").read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    (bundle / "bundle.json").write_bytes(content)
    try:
        found = probability(bundle)
    except RunError:
        return
    assert found == probability(made)


@pytest.mark.parametrize("mapped_from", [0, 1 << 30], ids=["mapped", "in memory"])
@pytest.mark.parametrize("name", ["reference.safetensors", "model.safetensors", "bundle.json"])
def test_a_bundle_changed_in_place_is_noticed_and_refused(bundle, monkeypatch, name, mapped_from):
    monkeypatch.setattr(checked, "MIN_MAPPED_BYTES", mapped_from)
    predictor = Predictor.load(bundle)
    before = predictor.predict(None, VALUES)
    time.sleep(0.02)
    with (bundle / name).open("r+b") as file:
        file.truncate(100)
    with pytest.raises(RunError, match=f"{name}: was changed while the model was in use"):
        predictor.predict(None, VALUES)
    assert before.probability == pytest.approx(before.probability)


def test_a_mapped_bundle_answers_as_one_in_memory(bundle, monkeypatch):
    there = probability(bundle)
    monkeypatch.setattr(checked, "MIN_MAPPED_BYTES", 0)
    assert probability(bundle) == there


def test_a_bundle_that_is_replaced_goes_on_answering_as_it_was_loaded(bundle):
    predictor = Predictor.load(bundle)
    before = predictor.predict(None, VALUES)
    for path in bundle.iterdir():
        files.write_bytes(path, b"another file under the same name")
    assert predictor.predict(None, VALUES) == before


def recalibrated(bundle):
    found = ModelBundle.load(bundle)

    return replace(
        found,
        served=replace(found.served, threshold=0.123),
        uncertainty=replace(found.uncertainty, reason="another"),
        mean_page=np.ones((512, 14, 14), np.float32),
    )


@pytest.mark.parametrize("killed_at", range(4))
def test_a_bundle_killed_while_it_is_renewed_is_the_old_one_or_the_new_one(bundle, monkeypatch, killed_at):
    """Each write may be the last one; then the same command makes the new one, with no file of the other left."""
    old, new, writes = ModelBundle.load(bundle), recalibrated(bundle), []
    plain = files.write_bytes

    def write(target, content):
        if len(writes) == killed_at:
            raise KeyboardInterrupt
        writes.append(target.name)
        plain(target, content)

    monkeypatch.setattr(files, "write_bytes", write)
    try:
        new.save_renewed(bundle)
    except KeyboardInterrupt:
        assert ModelBundle.load(bundle).served == old.served
        assert ModelBundle.load(bundle).uncertainty.reason == old.uncertainty.reason
    else:
        assert killed_at == 3  # uncertainty, maps, and bundle.json last
    monkeypatch.undo()
    new.save_renewed(bundle)
    found = ModelBundle.load(bundle)
    assert (found.served.threshold, found.uncertainty.reason) == (0.123, "another")
    assert {path.name for path in bundle.iterdir()} == {"bundle.json", *CheckedFiles(bundle).facts["sha256"]}
