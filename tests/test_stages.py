"""The public API: lazy, flat, and each stage on its own."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

import cardiograph as cg
from cardiograph.artifacts.run import RunDirectory


@pytest.fixture(scope="module")
def config(settings):
    return cg.load_config(overrides={**settings, "model": {**settings["model"], "baselines": ["logistic"]}})


def test_every_public_name_can_be_imported():
    for name in cg.__all__:
        assert getattr(cg, name) is not None
    assert set(cg.__all__) == {"__version__", *cg._EXPORTS} <= set(dir(cg))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cg.nothing


def test_importing_the_package_imports_no_library():
    program = "import sys, cardiograph; sys.exit(any(name in sys.modules for name in ('numpy', 'torch', 'pydantic')))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "first"), [("run", "source"), ("audit", "source"), ("evaluate", "run"), ("explain", "predictor")]
)
def test_a_package_that_is_named_after_a_function_can_be_called(name, first):
    package = getattr(cg, name)
    assert package.__path__
    assert next(iter(inspect.signature(package).parameters)) == first


def test_the_stages_one_by_one_give_the_scores_of_a_run(cohort_table, config, tmp_path):
    cohort = cg.read_cohort(str(cohort_table), config)
    split = cg.split_cohort(cohort, config)
    clinical = cg.read_clinical(cohort, split, config)
    dataset = cg.embed(cohort, split, clinical, config)
    assert dataset.inputs.image.shape == (len(cohort), 512)
    prepared = cg.build_graph(dataset, config)
    assert prepared.graph.to_networkx().number_of_nodes() == len(prepared.graph.rows)
    model, history = cg.train(prepared, config)
    assert history.val_loss[history.best] == min(history.val_loss)
    predictor = cg.make_predictor(model, dataset, prepared, config)
    rows = dataset.rows("test")
    found = predictor.score(dataset.queries(rows)).probabilities

    result = cg.run(cohort_table, tmp_path / "run", config)
    table = RunDirectory(result.path).read_table("predictions.parquet")
    kept = dict(zip(table["record_id"].astype(str), table[f"probability_{config.model.name}"], strict=True))
    expected = [kept[str(cohort.record_ids[row])] for row in rows]
    assert np.allclose(found, expected, atol=1e-5)


def test_results_show_themselves_in_a_notebook(finished_run, cohort_table):
    from cardiograph.run.pipeline import RunResult

    result = RunResult(finished_run, RunDirectory(finished_run).read_metrics())
    assert f"{result.metrics.test['auroc'].value:.3f}" in result._repr_html_()
    answer = cg.Predictor.load(finished_run).predict(None, {"ef": 0.3, "age": 60})
    assert answer.neighbours[0].record_id in answer._repr_html_()
