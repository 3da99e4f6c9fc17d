"""A cohort of files of signals: read like pages, cached by content, scored the same in a run and alone."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cardiograph.artifacts.cache import PageCache
from cardiograph.cli.app import main
from cardiograph.config import EncoderConfig, RunConfig, load_config
from cardiograph.config_reading import PagesConfig
from cardiograph.containers import Cohort
from cardiograph.ecg import pages
from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.leads import LEADS
from cardiograph.ecg.pages import page_content, read_any_page
from cardiograph.ecg.read_any import read_any
from cardiograph.ecg.writers import ecg_files
from cardiograph.encoders.engine import EncoderFacts
from cardiograph.errors import PageError
from cardiograph.imaging.hashing import near_copy_pairs
from cardiograph.inference import Predictor
from cardiograph.inference.table import score_table
from cardiograph.ingest import ecg_worker
from cardiograph.ingest.context import InputStore, RunContext
from cardiograph.ingest.embed import embed_pages
from cardiograph.ingest.page_index import index_pages
from cardiograph.progress import NoProgress
from cardiograph.synthesis.heart import record_ecg
from cardiograph.synthesis.waves import Heart

FORMATS = ("wfdb", "dicom", "csv")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Table of 30 recordings in three formats; of the last two, one is a copy of the first in another format."""
    folder = tmp_path_factory.mktemp("signals")
    rows = []
    for number in range(30):
        label = number % 2
        heart = Heart(conduction="lbbb" if label else "normal", qrs_ms=150 if label else 90, rate=60 + number)
        signal = record_ecg(heart, np.random.default_rng(number)).astype(np.float32)
        rows.append(
            _written(Ecg(signal, 500.0, "simulated"), FORMATS[number % 3], f"p{number}", folder) | {"label": label}
        )
        if not number:
            rows.append(_written(Ecg(signal, 500.0, "simulated"), "dicom", "again", folder) | {"label": label})
    pd.DataFrame(rows).to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"


def _written(ecg, kind, name, folder):
    files = ecg_files(ecg, kind, name)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    return {"record_id": name, "ecg": next(iter(files))}


def surveyed(paths, cache, **pages):
    """Cohort and index of some files."""
    names = [path.stem for path in paths]
    columns = {"record_id": names, "patient_id": None, "class_name": "c", "split": None, "label": 0}
    cohort = Cohort(pd.DataFrame({**columns, "ecg": [str(path) for path in paths]}), ())
    with PageCache(cache) as kept:
        config = RunConfig(encoder=EncoderConfig(name="resnet18"), pages=PagesConfig(**pages))
        return index_pages(cohort, RunContext(config, kept, NoProgress()))


def test_the_same_recording_in_two_formats_is_a_copy(table, tmp_path):
    paths = [table.parent / name for name in ("p0.hea", "again.dcm", "p1.dcm")]
    read, cached = (surveyed(paths, tmp_path)[1] for _ in range(2))
    assert read == cached
    assert near_copy_pairs(read.perceptual_hashes).tolist() == [[0, 1]]
    assert [facts.metadata.format for facts in read.facts] == ["WFDB", "DICOM", "DICOM"]
    assert {facts.metadata.brightness for facts in read.facts} == {255}  # it would describe the traces


def test_changed_samples_are_read_again(table, tmp_path):
    for name in ("p0.hea", "p0.dat"):
        (tmp_path / name).write_bytes((table.parent / name).read_bytes())
    _, before = surveyed([tmp_path / "p0.hea"], tmp_path / "cache")
    header = (tmp_path / "p0.hea").read_text().splitlines()
    plain = [header[0], *(" ".join([*line.split()[:6], "0", "0", line.split()[-1]]) for line in header[1:])]
    (tmp_path / "p0.hea").write_text("\n".join(plain))
    steps = np.fromfile(tmp_path / "p0.dat", "<i2")
    (steps // 2).astype("<i2").tofile(tmp_path / "p0.dat")
    _, after = surveyed([tmp_path / "p0.hea"], tmp_path / "cache")
    assert before.facts[0].pixel_hash != after.facts[0].pixel_hash


def test_the_cache_knows_what_was_stated_about_a_file(tmp_path):
    np.save(tmp_path / "a.npy", record_ecg(Heart(), np.random.default_rng(0)))
    stated = {"unit": "mV", "leads": LEADS}
    (fast,), (slow,), (again,) = (
        surveyed([tmp_path / "a.npy"], tmp_path / "cache", rate=rate, **stated)[1].facts for rate in (500, 250, 500)
    )
    assert fast == again and fast.file_sha256 == slow.file_sha256
    assert fast.pixel_hash != slow.pixel_hash and "lasts 20 s" in slow.notes[0]


def test_a_faulty_file_is_reported_with_its_place_in_the_table(table, tmp_path, settings):
    from cardiograph.run.pipeline import run

    frame = pd.read_csv(table).iloc[:4]
    for name in frame["ecg"]:
        (tmp_path / name).symlink_to(table.parent / name)
    (tmp_path / "p2.csv").unlink()
    (tmp_path / "p2.csv").write_text("I,II\n0,0\n")
    frame.to_csv(tmp_path / "cohort.csv", index=False)  # the samples of the WFDB record are absent
    with pytest.raises(PageError) as caught:
        run(tmp_path / "cohort.csv", tmp_path / "run", load_config(None, settings))
    lost, bad = caught.value.issues
    assert (lost.where, lost.code) == ("page p0.hea (row 2, record 'p0')", "missing")
    assert "p0.dat cannot be opened" in lost.rule
    assert (bad.where, bad.code) == ("page p2.csv (row 5, record 'p2')", "unit_missing")
    assert "set pages.unit or pages.gain" in bad.remedy


@pytest.fixture(scope="module")
def predictor(finished_run):
    return Predictor.load(finished_run)


def test_a_file_alone_as_bytes_and_in_a_table_scores_like_its_page(predictor, finished_run, table, tmp_path):
    files = ("p0.hea", "p1.dcm", "p2.csv")
    pd.DataFrame({"record_id": files, "ecg": [table.parent / name for name in files]}).to_csv(tmp_path / "a.csv")
    scored = score_table(finished_run, tmp_path / "a.csv").set_index("record_id")["probability"]
    for name in files:
        page = read_any_page(table.parent / name, name=name, config=PagesConfig())
        Image.fromarray(page.pixels).save(tmp_path / "page.png")
        drawn = predictor.predict(tmp_path / "page.png", gate=False).probability
        assert predictor.predict(table.parent / name).probability == pytest.approx(drawn, abs=1e-9)
        assert scored[name] == pytest.approx(drawn, abs=1e-9)
        assert predictor.predict(page_content(table.parent / name)).probability == pytest.approx(drawn, abs=1e-9)
    with pytest.raises(PageError, match=r"not an image.* or files of signals \(WFDB"):  # one file of several
        predictor.predict((table.parent / "p0.hea").read_bytes())


def test_one_request_can_state_what_its_file_does_not(predictor, finished_run, table, tmp_path, capsys):
    signal = read_any(table.parent / "p2.csv").signal
    np.save(tmp_path / "a.npy", signal)
    with pytest.raises(PageError, match=r"set pages\.leads"):
        predictor.predict(tmp_path / "a.npy")
    wanted = predictor.predict(table.parent / "p2.csv").probability
    stated = predictor.with_pages(rate=500, gain=1, leads=LEADS)
    assert stated.predict(tmp_path / "a.npy").probability == pytest.approx(wanted, abs=1e-9)
    options = ["--rate", "500", "--unit", "mV", "--leads", ",".join(LEADS), "--json"]
    with pytest.raises(SystemExit):
        main(["predict", str(finished_run), "--ecg", str(tmp_path / "a.npy"), *options])
    assert json.loads(capsys.readouterr().out)["probability"] == pytest.approx(wanted, abs=1e-9)
    with pytest.raises(SystemExit):
        main(["predict", "--url", "http://localhost:9", "--ecg", str(tmp_path / "a.npy"), *options])
    assert "--unit and --rate and --leads can only be used with a run" in capsys.readouterr().out
    (tmp_path / "t.csv").write_text(f"record_id,ecg\na,{tmp_path / 'a.npy'}\n")
    pages = {"rate": 500, "unit": "mV", "leads": LEADS}
    assert score_table(finished_run, tmp_path / "t.csv", pages=pages)["probability"][0] == pytest.approx(
        wanted, abs=1e-9
    )


def test_a_warning_says_what_was_drawn(predictor, tmp_path):
    signal = record_ecg(Heart(), np.random.default_rng(0)).astype(np.float32)
    row = _written(Ecg(np.tile(signal, 2), 500.0, "simulated"), "csv", "long", tmp_path)
    warnings = predictor.predict(tmp_path / row["ecg"]).warnings
    assert "The recording lasts 20 s; its first 10 s, and its typical beat, were used." in warnings


@pytest.mark.slow
def test_a_record_scores_alone_as_it_does_in_its_run(table, tmp_path, settings):
    from cardiograph.run.pipeline import run

    model = {"epochs": 20, "patience": 5, "baselines": ["logistic"]}
    made = run(table, tmp_path / "run", load_config(None, {**settings, "model": model}))
    scored = pd.read_parquet(made.path / "predictions.parquet").set_index("record_id")["probability_sign"]
    predictor, files = Predictor.load(made.path), pd.read_csv(table).set_index("record_id")["ecg"]
    assert len(scored) >= 4
    for record, probability in scored.items():
        assert predictor.predict(table.parent / files[record]).probability == pytest.approx(probability, abs=1e-6)
    split = pd.read_parquet(made.path / "split.parquet").set_index("record_id")["part"]
    assert split["p0"] == split["again"]  # one recording in two formats
    assert not json.loads((made.path / "run.json").read_text())["skipped"]


def test_leads_that_the_store_kept_give_the_same_embeddings_without_a_page(table, tmp_path, monkeypatch):
    columns = {"record_id": ["a", "b"], "patient_id": None, "class_name": "c", "split": None, "label": 0}
    paths = [str(table.parent / name) for name in ("p0.hea", "p1.dcm")]
    cohort, reads = Cohort(pd.DataFrame({**columns, "ecg": paths}), ()), []
    read = ecg_worker.read_leads_again
    monkeypatch.setattr(ecg_worker, "read_leads_again", lambda *given: reads.append(given) or read(*given))
    monkeypatch.setattr(pages, "draw_ecg", None)

    def embedded(limit):
        with PageCache(tmp_path / str(limit)) as kept:
            context = RunContext(RunConfig(), kept, NoProgress(), inputs=InputStore(limit))
            return embed_pages(index_pages(cohort, context)[1], Means(), MEANS, context).values

    np.testing.assert_array_equal(embedded(2**20), embedded(0))
    assert len(reads) == 2


MEANS = EncoderFacts("1" * 64, "means", "torch", "f32", "none", reads="leads")


class Means:
    """An engine whose embedding is the mean of each row."""

    def run(self, inputs):
        yield from (each.mean(axis=1) for each in inputs)


def test_samples_are_decoded_as_by_the_package(table):
    import wfdb

    expected = wfdb.rdrecord(str(table.parent / "p0"), physical=True, return_res=64)
    found = read_any(table.parent / "p0.hea").signal
    order = [expected.sig_name.index(lead) for lead in LEADS]
    np.testing.assert_allclose(found, expected.p_signal.T[order], rtol=1e-6, atol=1e-7)
