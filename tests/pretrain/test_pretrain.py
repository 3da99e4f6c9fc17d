import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.measure.reference import MEASUREMENTS
from cardiograph.encoders.engine import probe_input
from cardiograph.encoders.leads_input import INPUT_SHAPE
from cardiograph.encoders.readings import load_heads
from cardiograph.errors import InputError, RunError
from cardiograph.pretrain.card import card
from cardiograph.pretrain.layouts import random_views
from cardiograph.pretrain.objective import Heads, Objective
from cardiograph.pretrain.readings import READINGS, write_readings
from cardiograph.pretrain.records import Records, read_records
from cardiograph.pretrain.stream import PARTS, Stream, scales
from cardiograph.pretrain.training import CHECKPOINT, Recipe, pretrain
from cardiograph.pretrain.turned import with_turned_copies
from cardiograph.pretrain.weights_file import write_weights
from cardiograph.synthesis.clinical_heart import PARAMETERS, STATEMENTS, ClinicalHeart
from cardiograph.synthesis.clinical_recording import record_hearts
from cardiograph.synthesis.waves import Heart

TINY = Recipe(hearts=8, batch=2, pairs=2, seed=3)


@pytest.fixture(scope="module")
def records():
    signal = np.random.default_rng(0).normal(size=(3, 12, 1000)).astype(np.float32)
    signal[1, :, 700:] = np.nan
    measured = np.random.default_rng(1).normal(size=(3, len(MEASUREMENTS))).astype(np.float32)
    age, male = np.array([40, np.nan, 71], np.float32), np.array([1, 0, np.nan], np.float32)
    return Records(signal, age, male, measured, ("a", "b", "c"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def trained(records, folder):
    return pretrain(TINY, folder, records, workers=0)


def test_views_show_what_a_recording_or_a_page_shows():
    signals = np.random.default_rng(1).normal(size=(200, 12, 1000)).astype(np.float32)
    views = random_views(signals, np.random.default_rng(0))
    masks = views[:, 12:, :1000]
    shown = masks.sum(2).max(1)
    assert views.shape == (200, 24, 1112)
    assert not views[:, :12][views[:, 12:] == 0].any()
    assert (shown == 1000).mean() > 0.4
    assert (masks.sum(2) < 251).any(1).mean() > 0.3, "pages of 3 x 4 leads"
    assert masks[:, :, 0].any(1).all(), "each view begins with a lead"
    assert 0.03 < (masks.sum(2) == 0).any(1).mean() < 0.3


def test_a_step_is_always_the_same_and_hearts_return_in_other_views(records):
    stream = Stream(seed=3, steps=32, hearts=2, pairs=2, records=records)
    again = Stream(seed=3, steps=32, hearts=2, pairs=2, records=records)
    ninth = stream[9]
    for name, value in dataclasses.asdict(again[9]).items():
        np.testing.assert_array_equal(value, getattr(ninth, name), err_msg=name)
    passes = [[stream[place] for place in range(first, first + PARTS)] for first in (0, PARTS)]
    once, twice = (np.concatenate([batch.parameters for batch in each]) for each in passes)
    assert len(np.unique(once[:, PARAMETERS.index("qrs_ms")])) == 2 * PARTS
    np.testing.assert_array_equal(np.sort(once, axis=0), np.sort(twice, axis=0))
    assert not np.array_equal(passes[0][0].hearts, passes[1][0].hearts)
    assert not set(once[:, PARAMETERS.index("qrs_ms")]) & set(stream[16].parameters[:, PARAMETERS.index("qrs_ms")])


def test_views_become_longer_and_hidden_leads_have_no_target():
    stream = Stream(seed=0, steps=16, hearts=4, pairs=0)
    first, last = stream[0], stream[15]
    assert first.hearts.shape == (4, 24, 362) and last.hearts.shape == (4, 24, 1112)
    for batch in (first, last):
        hidden = ~batch.hearts[:, len(LEADS) :].any(2)
        heights = batch.measurements[:, [list(MEASUREMENTS).index(f"r_{lead}") for lead in LEADS]]
        assert np.isnan(heights[hidden]).all() and np.isfinite(heights[~hidden]).all()


def test_another_seed_draws_other_hearts():
    one, two = (Stream(seed=seed, steps=2, hearts=4, pairs=0)[0] for seed in (1, 2))
    assert not np.array_equal(one.parameters, two.parameters)
    assert len(one.records) == 0


def test_training_resumes_as_if_it_had_not_been_interrupted(trained, records, tmp_path):
    class StopError(Exception):
        pass

    from cardiograph.pretrain import training

    def stop(steps):
        done.append(steps)
        if sum(done) == 5:
            raise StopError

    done = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", -1.0)
        with pytest.raises(StopError):
            pretrain(TINY, tmp_path, records, workers=0, each=stop)
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["step"] == 4
    resumed = pretrain(TINY, tmp_path, records, workers=0)
    for name, tensor in trained.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], tensor, rtol=0, atol=0, msg=name)


def test_a_checkpoint_of_another_recipe_is_refused(trained, folder):
    with pytest.raises(RunError, match="other seed, records"):
        pretrain(dataclasses.replace(TINY, seed=1), folder, None, workers=0)


def test_a_damaged_checkpoint_and_a_folder_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(b"PK damaged")
    with pytest.raises(RunError, match="is damaged"):
        pretrain(TINY, tmp_path, None, workers=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        pretrain(dataclasses.replace(TINY, hearts=1), tmp_path / "file", None, workers=0)


def test_targets_that_do_not_exist_change_nothing():
    objective, heads = Objective(scales()), Heads()
    batch = Stream(seed=0, steps=2, hearts=6, pairs=0)[0]
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(24 * 362, 512))
    nothing = dataclasses.replace(batch, parameters=np.full_like(batch.parameters, np.nan))
    terms = objective.terms(network, heads, nothing)
    assert terms["parameters"] == 0
    assert set(terms) == {"parameters", "measurements", "statements"}
    assert Objective.total(objective.terms(network, heads, batch)) > Objective.total(terms)


def test_the_file_holds_the_network_in_half_precision_and_what_it_has_seen(trained, records, tmp_path):
    path = tmp_path / "ecg.safetensors"
    digest = write_weights(trained, TINY, records, path, data="three drawn recordings")
    with safe_open(path, "pt") as handle:
        facts = {name: json.loads(value) for name, value in handle.metadata().items()}
        stem = handle.get_tensor("stem.0.weight")
    assert stem.dtype == torch.float16
    torch.testing.assert_close(stem.float(), trained.network.state_dict()["stem.0.weight"], rtol=1e-3, atol=1e-4)
    assert facts["records"] == ["a", "b", "c"]
    assert facts["recipe"]["seed"] == 3
    text = card(trained, TINY, records, digest, data="three drawn recordings")
    assert digest in text and "3 recordings without diagnoses (three drawn recordings)" in text


def test_recordings_are_read_with_age_and_sex(shared, tmp_path):
    source = shared / "data" / "code-15"
    (tmp_path / "records").mkdir()
    for name in ("1000001.hea", "1000001_1.dat", "1000001_2.dat"):
        (tmp_path / "records" / name).symlink_to(source / "records" / name)
    (tmp_path / "records.csv").write_text("record,age,sex\nrecords/1000001.hea,63,male\n")
    found = read_records(tmp_path)
    assert found.signal.shape == (1, 12, 1000)
    assert (found.age[0], found.male[0]) == (63, 1)
    (tmp_path / "records.csv").unlink()
    assert np.isnan(read_records(tmp_path).age[0])
    (tmp_path / "records" / "broken.hea").write_text("broken 12 400 4096\n")
    with pytest.raises(InputError, match="1 of 2 recordings cannot be read"):
        read_records(tmp_path)


def test_a_folder_without_recordings_is_refused(tmp_path):
    with pytest.raises(InputError, match="no WFDB header"):
        read_records(tmp_path)


def test_readings_are_calibrated_on_new_hearts_and_recognise_their_encoder(trained, tmp_path):
    write_readings(trained, tmp_path / READINGS, hearts=40)
    heads = load_heads(tmp_path / READINGS)
    assert heads.names == STATEMENTS
    fixed = torch.from_numpy(probe_input(INPUT_SHAPE)[None])
    with torch.inference_mode():
        assert heads.fit(trained.network(fixed)[0].tolist())
    found = heads.read(np.zeros(512, np.float32))
    assert all(0 <= each.probability <= 1 for each in found.statements)
    assert all(each.error > 0 for each in found.values)


def test_turned_copies_keep_einthoven_and_are_measured_anew():
    hearts = [ClinicalHeart(heart=Heart(rate=rate, rr_spread=0.003)) for rate in (60, 75)]
    signal = record_hearts(hearts, np.random.default_rng(0)).signal
    signal[1, :, 800:] = np.nan
    measured = np.stack([Ecg(signal=one, rate=100.0, source="test").measure().vector() for one in signal])
    age, male = np.array([40, 60], np.float32), np.array([0, 1], np.float32)
    records = Records(signal, age, male, measured.astype(np.float32), ("a", "b"))
    more = with_turned_copies(records, 2, seed=1)
    assert more.signal.shape == (6, 12, 1000) and more.hashes == ("a", "b")
    np.testing.assert_array_equal(more.signal[:2], signal)
    assert more.age.tolist() == [40, 60, 40, 40, 60, 60]
    lead = dict(zip(LEADS, more.signal.transpose(1, 0, 2), strict=True))
    np.testing.assert_allclose(lead["I"] + lead["III"], lead["II"], atol=1e-4)
    at = list(MEASUREMENTS)
    axes, rates = more.measurements[:, at.index("qrs_axis")], more.measurements[:, at.index("heart_rate")]
    assert len(np.unique(axes.round(1))) == 6
    assert abs(rates[2] - 60) < 30 and rates[2] != rates[3]
