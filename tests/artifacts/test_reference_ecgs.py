"""Stored ECGs of reference records: what is kept of an ECG, and a file that is checked like every other of a bundle."""

import json
import mmap

import numpy as np
import pandas as pd
import pytest

from cardiograph.artifacts import checked, files
from cardiograph.artifacts.bundle import ModelBundle
from cardiograph.artifacts.checked import sealed
from cardiograph.artifacts.reference_ecgs import ABSENT, ECGS, leads_in, stored, write_ecgs
from cardiograph.config import load_config
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.encoders.leads_input import input_of
from cardiograph.errors import RunError
from cardiograph.inference import Predictor
from cardiograph.run.pipeline import run

VALUES = {"ef": 0.35, "age": 60}


def recording(seconds=10.0, rate=100.0, seed=0):
    signal = np.random.default_rng(seed).normal(0, 0.3, (12, round(seconds * rate))).astype(np.float32)
    return Ecg(signal, rate, "drawn")


def random_ecgs(count, seed=0):
    return np.random.default_rng(seed).integers(-3000, 3000, (count, 12, 250)).astype(np.int16)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The bundle of a small run on clinical values, without ECGs."""
    folder, rng = tmp_path_factory.mktemp("clinical"), np.random.default_rng(0)
    labels = rng.integers(0, 2, 100)
    ef = np.clip(0.6 - 0.15 * labels + rng.normal(0, 0.08, 100), 0.1, 0.85).round(3)
    rows = {"patient_id": [f"p{row}" for row in range(100)], "label": labels, "ef": ef}
    pd.DataFrame(rows | {"age": rng.integers(40, 80, 100)}).to_csv(folder / "cohort.csv", index=False)
    config = {"model": {"epochs": 4, "patience": 4, "baselines": ["logistic"]}, "evaluation": {"bootstrap": 100}}
    return run(folder / "cohort.csv", folder / "run", load_config(None, config)).path / "bundle"


@pytest.fixture
def with_ecgs(made, tmp_path):
    """Saves the bundle with stored ECGs, and returns its folder."""
    bundle = ModelBundle.load(made)
    bundle.save(tmp_path / "bundle", None, ecgs=iter(random_ecgs(len(bundle.reference))))
    return tmp_path / "bundle"


def test_the_first_seconds_of_each_lead_are_kept_to_a_microvolt():
    ecg = recording()
    kept = leads_in(stored(ecg))
    first = ecg.signal[:, :250]
    np.testing.assert_allclose(kept, first - np.median(first, axis=1, keepdims=True), atol=0.00051)


def test_the_leads_are_those_that_the_encoder_reads():
    ecg = recording(2.5)
    np.testing.assert_allclose(leads_in(stored(ecg)), input_of(ecg.signal, samples=250)[:12, :250], atol=0.00051)


def test_a_lead_of_a_page_starts_at_its_own_time():
    signal = np.full((12, 1000), np.nan, np.float32)
    wave = np.sin(np.arange(250) / 5).astype(np.float32)
    for number in range(12):
        signal[number, number // 3 * 250 : number // 3 * 250 + 250] = wave
    kept = leads_in(stored(Ecg(signal, 100.0, "page")))
    np.testing.assert_allclose(kept, np.tile(wave - np.median(wave), (12, 1)), atol=0.00051)


def test_what_was_not_recorded_is_absent():
    signal = recording(2.0).signal.copy()
    signal[LEADS.index("V3")] = np.nan
    samples = stored(Ecg(signal, 100.0, "drawn"))
    assert (samples[LEADS.index("V3")] == ABSENT).all()
    assert (samples[:, 200:] == ABSENT).all()
    kept = leads_in(samples)
    assert np.isnan(kept[LEADS.index("V3")]).all() and np.isnan(kept[:, 200:]).all()
    assert np.isfinite(kept[0, :200]).all()


def test_a_record_without_readable_leads_has_no_ecg():
    assert leads_in(stored(None)) is None


def test_impossible_amplitudes_stay_within_16_bits():
    signal = np.zeros((12, 250), np.float32)
    signal[0, :3] = (45, -45, 1)
    assert stored(Ecg(signal, 100.0, "drawn"))[0, :3].tolist() == [32767, -32767, 1000]


def test_a_bundle_returns_the_ecg_of_each_record_and_the_same_answer(made, with_ecgs):
    bundle = ModelBundle.load(with_ecgs)
    ecgs = random_ecgs(len(bundle.reference))
    np.testing.assert_array_equal(bundle.reference.ecgs, ecgs)
    name = bundle.reference.record_ids[7]
    np.testing.assert_array_equal(bundle.reference.ecg(name), ecgs[7] / np.float32(1000))
    assert bundle.reference.ecg("nobody") is None
    before, after = (Predictor.load(folder).predict(None, VALUES).probability for folder in (made, with_ecgs))
    assert after == before


def test_stored_ecgs_are_mapped_and_not_read_into_memory(with_ecgs):
    array = ModelBundle.load(with_ecgs).reference.ecgs
    while isinstance(array, np.ndarray):
        array = array.base
    assert isinstance(array.obj, mmap.mmap)
    assert (with_ecgs / ECGS).stat().st_size < 6200 * len(ModelBundle.load(with_ecgs).reference)


def test_a_bundle_without_ecgs_has_none(made):
    reference = ModelBundle.load(made).reference
    assert reference.ecgs is None
    assert reference.ecg(reference.record_ids[0]) is None
    assert not (made / ECGS).exists(), "by default no ECG is stored"


def test_a_bundle_that_is_saved_again_keeps_its_ecgs(with_ecgs, tmp_path):
    bundle = ModelBundle.load(with_ecgs)
    bundle.save(tmp_path / "again", None)
    assert (tmp_path / "again" / ECGS).read_bytes() == (with_ecgs / ECGS).read_bytes()


def test_a_renewed_bundle_keeps_its_ecgs(with_ecgs):
    ModelBundle.load(with_ecgs).save_renewed(with_ecgs)
    assert ModelBundle.load(with_ecgs).reference.ecgs is not None


def flip(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "state"),
    [
        (flip, "differs from its checksum"),
        (lambda path: path.write_bytes(path.read_bytes()[:-6000]), "differs from its checksum"),
        (lambda path: path.write_bytes(b""), "differs from its checksum"),
        (lambda path: path.unlink(), "is missing"),
    ],
    ids=["changed", "truncated", "empty", "missing"],
)
def test_a_damaged_file_is_refused_by_name(with_ecgs, damage, state):
    damage(with_ecgs / ECGS)
    with pytest.raises(RunError, match=f"{ECGS}: {state}; the bundle was changed or copied in part"):
        ModelBundle.load(with_ecgs)


def resigned(bundle):
    """Give the file of ECGs the checksum that holds, as an attacker would."""
    facts = json.loads((bundle / checked.NAME).read_text())
    del facts["checksum"]
    facts["sha256"][ECGS] = files.sha256_of(bundle / ECGS)
    (bundle / checked.NAME).write_text(json.dumps(sealed(facts)))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (random_ecgs(3), "ecgs has 3 rows"),
        (np.zeros((64, 12, 240), np.int16), "ecgs.safetensors has int16 of shape"),
        (np.zeros((64, 12, 250), np.int32), "ecgs.safetensors has int32"),
    ],
    ids=["rows", "samples", "type"],
)
def test_ecgs_that_do_not_fit_the_records_are_refused(with_ecgs, array, words):
    files.write_arrays(with_ecgs / ECGS, {"microvolts": array})
    resigned(with_ecgs)
    with pytest.raises(RunError, match=f"the parts of the bundle do not fit \\({words}"):
        ModelBundle.load(with_ecgs)


@pytest.mark.parametrize("count", [4, 6])
def test_one_ecg_for_each_record_is_written_or_no_file(tmp_path, count):
    with pytest.raises(ValueError, match="zip"):
        write_ecgs(tmp_path / ECGS, random_ecgs(5), count)
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_a_safetensors_file_for_other_programs(tmp_path):
    from safetensors.numpy import load_file

    write_ecgs(tmp_path / ECGS, random_ecgs(5), 5)
    np.testing.assert_array_equal(load_file(tmp_path / ECGS)["microvolts"], random_ecgs(5))
