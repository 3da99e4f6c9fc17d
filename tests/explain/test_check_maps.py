"""`check-maps` reads the pages of the run, keeps its verdict in the bundle, and says what is wrong with pages."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cardiograph.artifacts.maps import Gain, MapVerdict
from cardiograph.cli.app import main
from cardiograph.errors import ConfigError, PageError, RunError
from cardiograph.explain import explain, map_check
from cardiograph.explain.check_maps import check_maps
from cardiograph.inference import Predictor, Query


@pytest.fixture
def run(finished_run, tmp_path, monkeypatch):
    """A copy of a run, and a check that takes seconds."""
    monkeypatch.setattr(map_check, "SHARES", (0.5,))
    monkeypatch.setattr(map_check, "RANDOM_MAPS", 1)
    shutil.copytree(finished_run, tmp_path / "run")
    return tmp_path / "run"


def first_test_page(run):
    table, split = (pd.read_parquet(run / f"{name}.parquet") for name in ("cohort", "split"))
    return table, int(np.flatnonzero(split["part"] == "test")[0])


def move_page(run, path):
    """Every test record gets this page in the run's table."""
    table, split = (pd.read_parquet(run / f"{name}.parquet") for name in ("cohort", "split"))
    table.loc[(split["part"] == "test").to_numpy(), "ecg"] = str(path)
    table.to_parquet(run / "cohort.parquet")


def test_the_verdict_is_kept_in_the_bundle_and_rules_the_map(run):
    before = json.loads((run / "bundle" / "bundle.json").read_text())
    table, row = first_test_page(run)
    page = Path(table["ecg"][row])
    answer = Predictor.load(run).predict(page, {"ef": 0.4})
    verdict = check_maps(run, pages=8, seed=3)
    after = json.loads((run / "bundle" / "bundle.json").read_text())
    assert verdict.pages == 8 and verdict.seed == 3
    assert after["maps"] == verdict.as_dict() and before["maps"] is None
    others = before.keys() - {"maps", "mean_page", "sha256", "checksum"}
    assert {key: after[key] for key in others} == {key: before[key] for key in others}
    predictor = Predictor.load(run)
    assert predictor.bundle.served.maps == verdict
    assert predictor.bundle.mean_page.shape == (512, 14, 14)
    found = explain(predictor, Query(page, {"ef": 0.4}))
    assert found.prediction == answer
    shown = found.map
    assert (shown.shown, shown.reason) == (verdict.shown, verdict.sentence)
    assert "maps checked" in (run / "log.jsonl").read_text()
    saved = run.parent / "saved"
    saved.mkdir()
    predictor.bundle.save(saved, predictor.engine)
    again = Predictor.load(saved).bundle
    assert again.served.maps == verdict
    np.testing.assert_array_equal(again.mean_page, predictor.bundle.mean_page)


def test_pages_that_are_gone_are_all_named(run, tmp_path):
    move_page(run, tmp_path / "gone.jpg")
    with pytest.raises(PageError, match="8 of 8 pages") as caught:
        check_maps(run, pages=8)
    assert {issue.code for issue in caught.value.issues} == {"missing"}
    assert json.loads((run / "bundle" / "bundle.json").read_text())["maps"] is None


def test_a_page_that_is_another_picture_is_refused(run):
    table, row = first_test_page(run)
    move_page(run, table["ecg"][row])
    with pytest.raises(PageError) as caught:
        check_maps(run, pages=8)
    assert {issue.code for issue in caught.value.issues} == {"changed"}
    assert len(caught.value.issues) in (7, 8)


def test_a_check_needs_pages(run):
    with pytest.raises(ConfigError, match="--pages 3"):
        check_maps(run, pages=3)
    table = pd.read_parquet(run / "cohort.parquet")
    table["ecg"] = None
    table.to_parquet(run / "cohort.parquet")
    with pytest.raises(RunError, match="0 groups with a page"):
        check_maps(run)


def test_the_command_prints_the_verdict(run, capsys, monkeypatch):
    verdict = MapVerdict(9, Gain(0.2, 0.1, 0.3), Gain(0.2, -0.1, 0.3), Gain(0.2, float("nan"), float("nan")), 4, 1)
    calls = []
    monkeypatch.setattr(
        "cardiograph.explain.check_maps.check_maps", lambda *given, **named: calls.append((given, named)) or verdict
    )
    with pytest.raises(SystemExit) as ended:
        main(["check-maps", str(run), "--pages", "9", "--seed", "1", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0 and calls[0][0] == (run,)
    assert (calls[0][1]["pages"], calls[0][1]["seed"]) == (9, 1)
    assert not result["shown"] and result["sentence"] == verdict.sentence and result["others"]["low"] is None
    with pytest.raises(SystemExit):
        main(["check-maps", str(run)])
    assert capsys.readouterr().out == f"{verdict.sentence}\nmaps are hidden from now on\n"


def test_predict_explains(run, capsys):
    table, row = first_test_page(run)
    page, one = str(table["ecg"][row]), ["--ef", "0.3", "--age", "70"]
    with pytest.raises(SystemExit):
        main(["predict", str(run), "--ecg", page, *one, "--explain", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert result["explanation"]["probability"] == result["probability"]
    assert [each["name"] for each in result["explanation"]["clinical"]["effects"]] == ["ef", "age"]
    with pytest.raises(SystemExit):
        main(["predict", str(run), "--ecg", page, *one, "--explain"])
    shown = capsys.readouterr().out
    for text in ("effects on the probability", "0.3 fraction", "image share", "next neighbours", "map: not shown"):
        assert text in shown
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(run), "--table", "x.csv", "--explain"])
    assert ended.value.code == 2
