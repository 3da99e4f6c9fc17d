"""The recipes of CONTRIBUTING, as they are written: applied to a copy of the repository, and run there."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parent.parent
RECIPES = re.findall(r"^## (To add a \w+)\n.*?^```diff\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(), re.M | re.S)


def apply(recipe, root):
    """Make the changes of a diff without line numbers: each hunk replaces the one place that its lines name."""
    for file in re.split(r"^\+\+\+ ", recipe, flags=re.M)[1:]:
        name, *hunks = re.split(r"^(?:@@)?\n", file, flags=re.M)
        path = root / name.strip()
        for hunk in hunks[1:] if not hunks[0] else hunks:
            lines = hunk.splitlines()
            assert all(line[:1] in ("+", "-", " ") for line in lines), lines
            before = "\n".join(line[1:] for line in lines if line[0] != "+")
            after = "\n".join(line[1:] for line in lines if line[0] != "-")
            if not before:
                assert not path.exists(), f"{name}: a hunk without a line of context makes a new file"
                path.write_text(after + "\n")
                continue
            text = path.read_text()
            assert text.count(before) == 1, f"{name}: {before!r} stands {text.count(before)} times in it"
            path.write_text(text.replace(before, after))


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the sources and tests with all recipes applied, and a table of 120 patients next to them."""
    root = tmp_path_factory.mktemp("contributing")
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("src", "tests"):
        shutil.copytree(ROOT / folder, root / folder, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", root)
    for _, recipe in RECIPES:
        apply(recipe, root)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 120)
    ef = np.clip(0.6 - 0.15 * labels + rng.normal(0, 0.08, 120), 0.1, 0.85).round(3)
    table = pd.DataFrame({"patient_id": [f"p{i}" for i in range(120)], "label": labels, "ef": ef})
    table.to_csv(root / "cohort.csv", index=False)
    (root / "my.toml").write_text(
        '[model]\nname = "sum"\nbaselines = ["logistic"]\nepochs = 20\nwidth = 16\n'
        '[evaluation]\nbootstrap = 200\n[counting]\npart = "val"\n'
    )
    return root


def there(copy, *arguments):
    """Run Python on the copy's sources."""
    environment = os.environ | {"PYTHONPATH": str(copy / "src")}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def made(copy):
    """The folder of a run with the new model, metric and stage."""
    there(copy, "-m", "cardiograph", "run", "cohort.csv", "--config", "my.toml", "--out", "run", "--json")
    return copy / "run"


def test_there_is_a_recipe_for_a_model_a_metric_and_a_stage():
    assert [title for title, _ in RECIPES] == ["To add a model", "To add a metric", "To add a stage"]


def test_a_recipe_that_no_longer_fits_the_sources_is_a_fault(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    apply("+++ a.py\n@@\n-x = 1\n+x = 2\n+++ b.py\n@@\n+y = 1\n", tmp_path)
    assert (tmp_path / "a.py").read_text() == "x = 2\n"
    assert (tmp_path / "b.py").read_text() == "y = 1\n"
    with pytest.raises(AssertionError, match="stands 0 times"):
        apply("+++ a.py\n@@\n-x = 1\n+x = 2\n", tmp_path)


def test_a_new_model_is_trained_kept_and_served(copy, made):
    metrics = json.loads((made / "metrics.json").read_text())
    assert metrics["primary"] == "sum"
    assert metrics["test"]["auroc"]["value"] > 0.6
    answer = json.loads(there(copy, "-m", "cardiograph", "predict", "run", "--ef", "0.3", "--json"))
    assert 0 < answer["probability"] < 1
    assert "GraphSAGE with sums" in (made / "report.html").read_text()


def test_a_new_metric_has_an_interval(made):
    scores = json.loads((made / "metrics.json").read_text())["test"]
    expected = scores["sensitivity"]["value"] + scores["specificity"]["value"] - 1
    assert scores["youden"]["value"] == pytest.approx(expected)
    assert scores["youden"]["low"] < scores["youden"]["value"] < scores["youden"]["high"]


def test_a_new_stage_is_timed_configured_and_recorded(made):
    facts = json.loads((made / "run.json").read_text())
    assert facts["seconds"]["counting"] >= 0
    split = pd.read_parquet(made / "split.parquet")
    cohort = pd.read_parquet(made / "cohort.parquet")
    labels = cohort.merge(split, on="record_id").query("part == 'val'")["label"]
    assert facts["prevalence"] == {"val": pytest.approx(labels.mean())}
    assert 'part = "val"' in (made / "config.toml").read_text()


@pytest.mark.slow
def test_a_new_model_is_held_to_the_contracts(copy):
    result = there(
        copy, "-m", "pytest", "tests/contracts/test_queries.py", "-q", "-k", "[sum]", "-p", "no:cacheprovider"
    )
    assert int(re.search(r"(\d+) passed", result)[1]) >= 5, result
