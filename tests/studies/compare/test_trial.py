"""A fit chooses on validation records alone."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import log_loss as reference_log_loss
from tests.studies.compared import fit_result, made_fold_data

from cardiograph.errors import ConfigError
from cardiograph.studies.compare import fitting
from cardiograph.studies.compare.fitting import log_loss
from cardiograph.studies.compare.options import DEFAULT, GRID, MODELS, chosen_models, configured, settings_of
from cardiograph.studies.compare.trial import Task, best_baseline, make_fit
from cardiograph.train.trial import fit_and_score


def poisoned(fold_data, place):
    """The same cohort and folds; test records have other labels, pages and values."""
    split = fold_data.split(place)
    test = split.rows("test")
    datasets = {}
    for name, dataset in fold_data.datasets.items():
        labels = dataset.inputs.labels.copy()
        labels[test] = 1 - labels[test]
        image = dataset.inputs.image.copy()
        image[test] = 50 - image[test]
        values = dataset.inputs.clinical.values.copy()
        values[test] = values[test][::-1]
        clinical = dataclasses.replace(dataset.inputs.clinical, values=values)
        inputs = dataclasses.replace(dataset.inputs, labels=labels, image=image, clinical=clinical)
        cohort = dataclasses.replace(dataset.cohort, table=dataset.cohort.table.assign(label=labels))
        datasets[name] = dataclasses.replace(dataset, cohort=cohort, inputs=inputs)
    return dataclasses.replace(fold_data, datasets=datasets, given=split)


@pytest.mark.parametrize("model", ["logistic", "knn_vote", "mlp", "gcn"])
def test_poisoned_test_records_change_no_choice(model):
    fold_data = made_fold_data()
    place = (0, 1)
    plain = make_fit(fold_data, Task("both", place, model))
    other = make_fit(poisoned(fold_data, place), Task("both", place, model))
    assert other.setting == plain.setting
    assert other.log_loss == plain.log_loss
    assert other.probabilities != plain.probabilities


def test_the_setting_with_the_lowest_validation_loss_is_kept():
    fold_data, task = made_fold_data(), Task("both", (0, 0), "logistic")
    dataset = fold_data.dataset("both", (0, 0))
    val = dataset.cohort.labels[dataset.rows("val")]
    losses = {}
    for setting in settings_of("logistic", image=True, tuned=True):
        found = fit_and_score(
            dataset, configured(fold_data.config, setting, seed=fold_data.config.seed), name="logistic"
        )
        losses[setting["fusion.image_components"]] = log_loss(found.validation, val)
    kept = make_fit(fold_data, task)
    assert len(losses) == 2
    assert kept.setting["fusion.image_components"] == min(losses, key=losses.get)
    assert kept.log_loss == min(losses.values())


def test_the_loss_is_that_of_the_softmax_before_calibration():
    fold_data = made_fold_data()
    dataset = fold_data.dataset("both", (0, 0))
    found = fit_and_score(dataset, fold_data.config, name="logistic")
    labels = dataset.cohort.labels[dataset.rows("val")]
    expected = reference_log_loss(labels, 1 / (1 + np.exp(-found.validation.scores.raw)))
    assert log_loss(found.validation, labels) == pytest.approx(expected)


def test_the_loss_of_several_classes_is_that_of_the_softmax_before_calibration():
    raw, labels = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 4
    softmax = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    calibrated = SimpleNamespace(by_class=np.full((30, 4), 0.25), scores=SimpleNamespace(raw=raw))
    bypassed = SimpleNamespace(by_class=softmax, scores=None)
    for found in (calibrated, bypassed):
        assert log_loss(found, labels) == pytest.approx(reference_log_loss(labels, softmax))


def test_the_best_baseline_is_that_of_the_lowest_validation_loss_and_never_a_graph():
    fits = {
        "sign": fit_result([0.5], 0.1),
        "mlp": fit_result([0.5], 0.4),
        "logistic": fit_result([0.5], 0.3),
        "boosting": fit_result([0.5], 0.3),
    }
    assert best_baseline(fits) == "logistic"


def test_random_edges_and_conditions_are_fits_of_their_own():
    fold_data = made_fold_data()
    plain, rewired, scarce, gappy = (
        make_fit(fold_data, Task("both", (0, 0), DEFAULT, **changes))
        for changes in ({}, {"rewired": True}, {"condition": ("labels", 0.25)}, {"condition": ("gone", 0.75)})
    )
    for other in (rewired, scarce, gappy):
        assert len(other.probabilities) == len(plain.probabilities)
    assert scarce.probabilities != plain.probabilities
    assert gappy.probabilities != plain.probabilities


def test_scarce_labels_are_fitted_with_components_of_all_records(monkeypatch):
    seen = []
    monkeypatch.setattr(
        fitting,
        "fit_and_score",
        lambda dataset, config, *_, **__: seen.append(config) or fit_and_score(dataset, config, name="logistic"),
    )
    for model in (DEFAULT, "logistic"):
        make_fit(made_fold_data(), Task("both", (0, 0), model, tuned=False, condition=("labels", 0.5)))
    assert {(config.fusion.unlabelled, config.fusion.image_components) for config in seen} == {(True, 64)}


def test_every_model_has_settings_and_only_pages_have_components():
    assert set(GRID) == set(MODELS)
    assert settings_of(DEFAULT, image=True, tuned=True) == [{}]
    assert len(settings_of("sign", image=True, tuned=True)) == 8
    assert len(settings_of("sign", image=False, tuned=True)) == 4
    assert settings_of("mlp", image=False, tuned=True) == [{}]
    several = settings_of("sign", image=False, tuned=True, kind="multiclass")  # a learnt space is for a binary outcome
    assert several == [{"model.votes": False}, {"model.votes": True}]
    assert settings_of("sign", image=True, tuned=False) == [{}]


def test_models_are_named_and_a_comparison_needs_a_baseline():
    assert chosen_models("logistic, gcn", quick=False) == (DEFAULT, "gcn", "logistic")
    assert chosen_models(None, quick=True)[0] == DEFAULT
    with pytest.raises(ConfigError, match=r"--models forest.*allowed are default, sign"):
        chosen_models("forest,mlp", quick=False)
    with pytest.raises(ConfigError, match=r"--models gcn.*add one of mlp"):
        chosen_models("gcn", quick=False)
