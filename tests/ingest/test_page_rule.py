"""One rule decides which pages count, in a run, an evaluation, a prediction and a service; each says what it did."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from cardiograph.artifacts.cache import PageCache
from cardiograph.config import EncoderConfig, RunConfig
from cardiograph.config_reading import PagesConfig
from cardiograph.containers import Cohort
from cardiograph.errors import PageError
from cardiograph.imaging.prepare import page_remarks, prepare_page, refusal
from cardiograph.inference import Predictor
from cardiograph.ingest.context import RunContext
from cardiograph.ingest.page_index import index_pages
from cardiograph.progress import NoProgress

PICTURES = EncoderConfig(name="resnet18")


@pytest.fixture(scope="module")
def letter(tmp_path_factory):
    """A letter written on millimetre paper: it has a grid, and no trace."""
    image = Image.new("RGB", (1100, 780), "white")
    pen = ImageDraw.Draw(image)
    for colour, stride in (((250, 214, 212), 4), ((238, 160, 158), 20)):
        for x in range(0, 1100, stride):
            pen.line((x, 0, x, 780), fill=colour)
        for y in range(0, 780, stride):
            pen.line((0, y, 1100, y), fill=colour)
    for y in range(60, 720, 22):
        pen.text((60, y), "lorem ipsum dolor sit amet consectetur " * 4, fill="black", font_size=15)
    path = tmp_path_factory.mktemp("letter") / "letter.png"
    image.save(path)
    return path


@pytest.fixture
def surveyed(cohort_table, letter, tmp_path):
    """Surveys three pages of a cohort and the letter."""
    files = [*sorted((cohort_table.parent / "pages").glob("*.jpg"))[:3], letter]
    columns = {"record_id": list("abcd"), "patient_id": None, "class_name": "c", "split": None, "label": [0, 1, 0, 1]}
    cohort = Cohort(pd.DataFrame({**columns, "ecg": [str(file) for file in files]}), ())

    def page_index(**pages):
        with PageCache(tmp_path) as cache:
            return index_pages(
                cohort, RunContext(RunConfig(encoder=PICTURES, pages=PagesConfig(**pages)), cache, NoProgress())
            )

    return page_index


def test_a_page_in_doubt_is_left_out_counted_and_named(surveyed):
    for _ in range(2):  # read, then from the cache
        cohort, page_index = surveyed()
        assert list(cohort.record_ids) == ["a", "b", "c"]
        (issue,) = page_index.skipped
        assert issue.code == "not_an_ecg"
        assert "letter.png (record 'd')" in issue.where
        (note,) = page_index.notes(cohort.record_ids)
        assert note.startswith("1 page(s) do not look like an ECG and were left out") and "letter.png" in note


def test_one_setting_keeps_it_and_it_is_still_counted_and_named(surveyed):
    surveyed()
    cohort, page_index = surveyed(gate=False)
    assert list(cohort.record_ids) == ["a", "b", "c", "d"]
    assert page_index.skipped == ()
    (note,) = page_index.notes(cohort.record_ids)
    assert note.startswith("1 page(s) do not look like an ECG and were kept") and "'d'" in note
    assert [len(remarks) for remarks in page_index.remarks] == [0, 0, 0, 1]


def test_a_file_of_several_pages_is_named_in_a_survey(cohort_table, tmp_path):
    first, second = (Image.open(file) for file in sorted((cohort_table.parent / "pages").glob("*.jpg"))[:2])
    first.save(tmp_path / "two.tif", save_all=True, append_images=[second])
    columns = {"record_id": ["a"], "patient_id": None, "class_name": "c", "split": None, "label": [0]}
    cohort = Cohort(pd.DataFrame({**columns, "ecg": [str(tmp_path / "two.tif")]}), ())
    with PageCache(tmp_path) as cache:
        _, page_index = index_pages(cohort, RunContext(RunConfig(encoder=PICTURES), cache, NoProgress()))
    assert page_index.notes(["a"]) == [
        "1 page(s) come from files with several images (pages or frames); the first was used: 'a'"
    ]


def test_the_decision_is_one_function_of_doubt_and_gate(letter):
    doubt = prepare_page(letter, name="x", config=PagesConfig()).doubt
    assert refusal(None, name="x", gate=True) is None
    assert refusal(doubt, name="x", gate=False) is None
    issue = refusal(doubt, name="x", gate=True)
    assert (issue.where, issue.rule, issue.code) == ("page x", doubt.reason, "not_an_ecg")
    assert "--no-gate" in issue.remedy
    assert page_remarks(None, 1) == ()
    assert len(page_remarks(doubt, 3)) == 2


def test_a_prediction_refuses_or_warns_as_the_request_says(finished_run, letter):
    predictor = Predictor.load(finished_run)
    with pytest.raises(PageError) as caught:
        predictor.predict(letter)
    assert [issue.code for issue in caught.value.issues] == ["not_an_ecg"]
    answer = predictor.predict(letter, gate=False)
    assert answer.warnings[0].startswith("the page was used although it may be no ECG")


TURNED = {
    "upside_down": (Image.Transpose.ROTATE_180, "it seems to be upside down", "turn the picture by 180 degrees"),
    "mirrored": (
        Image.Transpose.FLIP_LEFT_RIGHT,
        "it seems to be mirrored left to right",
        "mirror the picture left to",
    ),
}


@pytest.fixture(params=TURNED)
def turned(request, cohort_table, tmp_path):
    """Code, reason and remedy of a page that is turned or mirrored, and its file."""
    change, reason, remedy = TURNED[request.param]
    pages = sorted((cohort_table.parent / "pages").glob("*.jpg"))
    Image.open(pages[0]).transpose(change).save(tmp_path / "turned.png")
    return request.param, reason, remedy, tmp_path / "turned.png"


def test_a_turned_page_is_refused_with_its_own_reason_and_remedy(finished_run, turned):
    code, reason, remedy, file = turned
    predictor = Predictor.load(finished_run)
    with pytest.raises(PageError) as caught:
        predictor.predict(file)
    (issue,) = caught.value.issues
    assert issue.code == code
    assert issue.rule.startswith(reason) and issue.remedy.startswith(remedy) and "--no-gate" in issue.remedy
    assert predictor.predict(file, gate=False).warnings[0].startswith(f"the page was used although {reason}")


def test_a_turned_page_is_left_out_of_a_cohort_or_kept_and_named(cohort_table, turned, tmp_path):
    code, reason, _, file = turned
    files = [*sorted((cohort_table.parent / "pages").glob("*.jpg"))[:3], file]
    columns = {"record_id": list("abcd"), "patient_id": None, "class_name": "c", "split": None, "label": [0, 1, 0, 1]}
    cohort = Cohort(pd.DataFrame({**columns, "ecg": [str(file) for file in files]}), ())
    with PageCache(tmp_path) as cache:
        for _ in range(2):  # read, then from the cache
            used, page_index = index_pages(cohort, RunContext(RunConfig(encoder=PICTURES), cache, NoProgress()))
            assert list(used.record_ids) == ["a", "b", "c"]
            assert [issue.code for issue in page_index.skipped] == [code]
            (note,) = page_index.notes(used.record_ids)
            assert note.startswith("1 page(s) seem to be upside down or mirrored and were left out")
        used, page_index = index_pages(
            cohort, RunContext(RunConfig(encoder=PICTURES, pages=PagesConfig(gate=False)), cache, NoProgress())
        )
        assert list(used.record_ids) == ["a", "b", "c", "d"]
        (note,) = page_index.notes(used.record_ids)
        assert "were kept" in note and f"'d' ({reason}" in note


def test_a_prediction_says_which_page_of_a_file_was_read(finished_run, cohort_table, tmp_path):
    first, second = (Image.open(file) for file in sorted((cohort_table.parent / "pages").glob("*.jpg"))[:2])
    first.save(tmp_path / "one.tif")
    first.save(tmp_path / "two.tif", save_all=True, append_images=[second])
    predictor = Predictor.load(finished_run)
    one, two = predictor.predict(tmp_path / "one.tif"), predictor.predict(tmp_path / "two.tif")
    assert two.probability == one.probability
    assert two.warnings == (
        "the file of the page holds 2 pictures (pages or frames); the first was read, the others were not",
        *one.warnings,
    )


def test_command_and_service_take_the_same_answer_from_a_request(finished_run, service_url, letter, capsys):
    from cardiograph.cli.app import main

    for source in ([str(finished_run)], ["--url", service_url]):
        with pytest.raises(SystemExit) as caught:
            main(["predict", *source, "--ecg", str(letter), "--json"])
        assert caught.value.code == PageError.exit_code
        assert json.loads(capsys.readouterr().out)["issues"][0]["code"] == "not_an_ecg"
        with pytest.raises(SystemExit) as caught:
            main(["predict", *source, "--ecg", str(letter), "--no-gate", "--json"])
        assert not caught.value.code
        assert "may be no ECG" in json.loads(capsys.readouterr().out)["warnings"][0]


def test_a_page_in_black_and_white_has_a_remedy_that_predict_has(finished_run, shared):
    cases = shared / "cases"
    for name in ("bw_ink.png", "bw_ink.tif"):
        with pytest.raises(PageError) as caught:
            Predictor.load(finished_run).predict(cases / name)
        (issue,) = caught.value.issues
        assert issue.code == "no_grid"
        assert issue.remedy.startswith("scan or export it in grey or colour")
        assert "--encoder resnet18-ecg --page whole" in issue.remedy  # the default encoder needs a grid in any view


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "view"),
    [({"weights": "random"}, "whole"), pytest.param({"name": "ecg"}, "grid", marks=pytest.mark.exhaustive)],
    ids=["resnet18", "ecg"],
)
def test_run_and_predict_agree_on_which_photographs_count(shared, tmp_path, settings, encoder, view):
    from cardiograph.config import load_config
    from cardiograph.run.pipeline import run

    files = sorted((shared / "data" / "pages-photographed").iterdir())
    table = pd.DataFrame({"ecg": [str(file) for file in files], "label": np.arange(len(files)) % 2})
    table.to_csv(tmp_path / "cohort.csv", index=False)
    pages = {"view": view, "skip_bad": True}
    model = {"epochs": 10, "baselines": ["logistic"]}
    accept = {"accept": ["copies_with_different_labels"]}  # two photographs show one ECG, and labels are made up
    config = load_config(None, {**settings, "encoder": encoder, "model": model, "pages": pages, "audit": accept})
    made = run(tmp_path / "cohort.csv", tmp_path / "run", config)
    facts = json.loads((made.path / "run.json").read_text())
    left_out = {file.name for file in files if any(file.name in issue["where"] for issue in facts["skipped"])}
    predictor = Predictor.load(made.path)
    refused = set()
    for file in files:
        try:
            predictor.predict(file)
        except PageError:
            refused.add(file.name)
    assert refused == left_out
    assert 0 < len(refused) < len(files)
    assert any("left out" in note for note in facts["page_notes"])
