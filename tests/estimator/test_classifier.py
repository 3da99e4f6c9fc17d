import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from cardiograph.cohort.split import split_groups
from cardiograph.containers import EXCLUDED, TRAIN, VAL, Groups, Split
from cardiograph.estimator import PatientGraphClassifier
from cardiograph.estimator.arrays import Blocks, build_array_dataset
from cardiograph.inference import Predictor
from cardiograph.train.trial import fit_and_score

SHORT = {"epochs": 10, "random_state": 3}


@pytest.fixture(scope="module")
def problem():
    """[120, 12] of which 8 are an image block, two rows to a patient, a tenth of the clinical values missing."""
    rng = np.random.default_rng(0)
    x, y = make_classification(60, 12, n_informative=6, class_sep=2.0, flip_y=0, random_state=0)
    x, y, groups = np.repeat(x, 2, axis=0) + rng.normal(0, 0.1, (120, 12)), np.repeat(y, 2), np.repeat(np.arange(60), 2)
    x[:, 8:][rng.random((120, 4)) < 0.1] = np.nan
    return x, y, groups


@parametrize_with_checks(
    [
        PatientGraphClassifier(epochs=4),
        PatientGraphClassifier("gcn", votes=True, epochs=10),
        PatientGraphClassifier("knn_vote", validation=0),
    ]
)
def test_scikit_learn_takes_it_for_a_classifier(estimator, check):
    check(estimator)


@pytest.mark.parametrize("model", ["sign", "gat", "logistic"])
def test_it_predicts_what_a_trial_predicts_on_the_same_split(problem, model):
    x, y, groups = problem
    test = np.isin(groups, np.arange(0, 60, 5))
    classifier = PatientGraphClassifier(model, image_columns=8, votes=True, **SHORT)
    classifier.fit(x[~test], y[~test], groups=groups[~test])
    part = np.full(len(y), "test", dtype="U8")
    part[~test] = np.where(classifier.held_out_, VAL, TRAIN)
    split = Split(part, Groups(groups.astype(np.int64)), "drawn")
    dataset = build_array_dataset(x, y, split, Blocks.of([f"x{column}" for column in range(12)], 8))
    trial = fit_and_score(dataset, classifier._config())
    np.testing.assert_allclose(classifier.predict_proba(x[test]), trial.test.by_class, atol=1e-5)


def test_rows_of_a_group_never_hear_each_other_and_are_never_parted(problem):
    x, y, groups = problem
    classifier = PatientGraphClassifier(**SHORT).fit(x, y, groups=groups)
    reference = classifier.predictor_.bundle.reference
    neighbours = np.array([int(name.removeprefix("row ")) for name in reference.record_ids])
    assert not np.isin(groups[neighbours], groups[classifier.held_out_]).any()
    prepared = {group: set(np.flatnonzero(reference.groups == group)) for group in np.unique(reference.groups)}
    assert all(len(rows) == 2 for rows in prepared.values())
    alone = PatientGraphClassifier(**SHORT).fit(x, y).predictor_.bundle.reference
    assert len(np.unique(alone.groups)) == len(alone)


def test_a_group_is_not_a_neighbour(problem, monkeypatch):
    from cardiograph.estimator import arrays

    kept = {}
    prepare = arrays.prepare
    monkeypatch.setattr(arrays, "prepare", lambda *given: kept.setdefault("prepared", prepare(*given)))
    x, y, groups = problem
    PatientGraphClassifier(**SHORT).fit(x, y, groups=groups)
    graph = kept["prepared"].graph
    own = groups[graph.rows]
    assert (own[graph.neighbours.index] != own[:, None]).all()
    del kept["prepared"]
    PatientGraphClassifier(**SHORT).fit(x, y)
    graph = kept["prepared"].graph
    own = groups[graph.rows]
    assert (own[graph.neighbours.index] == own[:, None]).any()


def test_every_probability_comes_from_the_predictor(problem, monkeypatch):
    x, y, groups = problem
    classifier = PatientGraphClassifier(**SHORT).fit(x, y, groups=groups)
    sizes = []
    score = Predictor.score
    monkeypatch.setattr(Predictor, "score", lambda self, queries: sizes.append(len(queries)) or score(self, queries))
    classifier.predict_proba(x[:7])
    classifier.predict(x[:5])
    assert sizes == [7, 5]


def test_cross_validation_by_group(problem):
    x, y, groups = problem
    predicted = cross_val_predict(
        PatientGraphClassifier(image_columns=8, **SHORT),
        x,
        y,
        groups=groups,
        cv=GroupKFold(3),
        params={"groups": groups},
        method="predict_proba",
    )
    assert predicted.shape == (120, 2)
    assert ((predicted[:, 1] > 0.5) == y).mean() > 0.8


def test_metadata_routing_brings_the_groups(problem):
    import sklearn

    x, y, groups = problem
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = PatientGraphClassifier(**SHORT).set_fit_request(groups=True)
        predicted = cross_val_predict(classifier, x, y, cv=GroupKFold(2), params={"groups": groups})
    assert set(predicted) <= {0, 1}


def test_a_pipeline_and_a_grid(problem):
    x, y, groups = problem
    pipeline = make_pipeline(StandardScaler(), PatientGraphClassifier("knn_vote", **SHORT))
    grid = GridSearchCV(pipeline, {"patientgraphclassifier__k": [1, 5]}, cv=GroupKFold(2), scoring="roc_auc")
    grid.fit(x, y, groups=groups)
    assert set(grid.cv_results_["param_patientgraphclassifier__k"]) == {1, 5}
    assert grid.best_score_ > 0.7


def test_names_of_classes_and_columns_are_kept(problem):
    x, y, groups = problem
    names = ["label", "record_id", "ecg", *(f"value {column}" for column in range(9))]
    table = pd.DataFrame(x, columns=names)
    classifier = PatientGraphClassifier(**SHORT).fit(table, np.where(y == 1, "sick", "ill"), groups=groups)
    assert classifier.classes_.tolist() == ["ill", "sick"]
    assert set(classifier.predict(table)) <= {"ill", "sick"}
    assert classifier.feature_names_in_.tolist() == names
    numbers = PatientGraphClassifier(**SHORT).fit(x, 2 * y - 1, groups=groups)
    assert numbers.classes_.tolist() == [-1, 1]
    np.testing.assert_array_equal(numbers.predict_proba(x), classifier.predict_proba(table))


def test_gaps_are_filled_from_training_rows(problem):
    x, y, groups = problem
    classifier = PatientGraphClassifier(**SHORT).fit(x, y, groups=groups)
    scaler = classifier.predictor_.bundle.scaler
    train = x[~classifier.held_out_]
    np.testing.assert_allclose(scaler.medians, np.nanmedian(train, axis=0))
    assert scaler.has_gaps.tolist() == np.isnan(train).any(0).tolist()
    assert np.isfinite(classifier.predict_proba(np.full((1, 12), np.nan))).all()


def test_a_row_with_a_gap_in_its_image_block_has_no_image(problem):
    x, y, groups = problem
    classifier = PatientGraphClassifier(image_columns=8, **SHORT).fit(x, y, groups=groups)
    part, whole = x[:1].copy(), x[:1].copy()
    part[0, 3], whole[0, :8] = np.nan, np.nan
    np.testing.assert_array_equal(classifier.predict_proba(part), classifier.predict_proba(whole))
    with pytest.raises(ValueError, match="no training row has its whole image block"):
        gone = x.copy()
        gone[:, 0] = np.nan
        PatientGraphClassifier(image_columns=8, **SHORT).fit(gone, y)


def test_a_column_without_a_value_is_left_out_and_reported(problem):
    x, y, groups = problem
    empty = np.column_stack([x, np.full(len(x), np.nan)])
    with pytest.warns(UserWarning, match="left out: x12"):
        with_it = PatientGraphClassifier(**SHORT).fit(empty, y, groups=groups)
    without = PatientGraphClassifier(**SHORT).fit(x, y, groups=groups)
    np.testing.assert_array_equal(with_it.predict_proba(empty), without.predict_proba(x))


def test_unlabelled_rows_are_neighbours_but_not_training_targets(problem):
    x, y, groups = problem
    labels = np.where(y == 1, "yes", "no").astype(object)
    labels[groups >= 50] = "?"
    classifier = PatientGraphClassifier(unlabelled="?", **SHORT).fit(x, labels, groups=groups)
    assert classifier.classes_.tolist() == ["no", "yes"]
    reference = classifier.predictor_.bundle.reference
    assert (reference.labels == -1).sum() == 20
    other = x.copy()
    other[groups >= 50] += 100
    again = PatientGraphClassifier("logistic", unlabelled="?", **SHORT).fit(other, labels, groups=groups)
    first = PatientGraphClassifier("logistic", unlabelled="?", **SHORT).fit(x, labels, groups=groups)
    np.testing.assert_array_equal(again.predict_proba(x[:9]), first.predict_proba(x[:9]))


def test_where_groups_are_few_nothing_is_held_out_and_nothing_is_calibrated(problem):
    x, y, groups = problem
    few = np.concatenate([np.flatnonzero(y == label)[:8] for label in (0, 1)])
    classifier = PatientGraphClassifier(**SHORT).fit(x[few], y[few], groups=groups[few])
    assert not classifier.held_out_.any()
    assert classifier.predictor_.bundle.uncertainty is None
    assert classifier.threshold_ == 0.5
    assert PatientGraphClassifier(**SHORT).fit(x, y, groups=groups).held_out_.mean() == pytest.approx(0.2, abs=0.02)


def test_held_out_groups_are_the_share_of_each_kind():
    labels = np.array([0] * 40 + [1] * 20 + [0, 1] * 10 + [-1] * 5)
    groups = np.array([*range(60), *np.repeat(np.arange(60, 70), 2), 70, 71, 72, 0, 45])
    split = split_groups(labels, Groups(groups), 0.2, np.random.default_rng(1))
    held = np.unique(groups[split.part == VAL])
    assert [((held >= low) & (held < high)).sum() for low, high in ((0, 40), (40, 60), (60, 70))] == [8, 4, 2]
    assert not set(held) & set(groups[split.part == TRAIN])
    assert set(groups[split.part == EXCLUDED]) <= set(held)
    assert {70, 71, 72} <= set(groups[split.part == TRAIN])
    assert (split_groups(labels, Groups(groups), 0.0, np.random.default_rng(1)).part == TRAIN).all()


def test_halves_that_renew_a_run_share_out_the_classes_behind_the_label():
    names = np.repeat(list("abcd"), [4, 40, 6, 50])
    labels = np.isin(names, ["c", "d"]).astype(np.int64)
    for seed in range(10):
        split = split_groups(labels, Groups(np.arange(100)), 0.5, np.random.default_rng(seed), strata=[names])
        assert [(names[split.part == VAL] == name).sum() for name in "abcd"] == [2, 20, 3, 25]


def test_the_same_seed_gives_the_same_answer_after_pickling(problem):
    x, y, groups = problem
    first, second = (PatientGraphClassifier(**SHORT).fit(x, y, groups=groups) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(x), second.predict_proba(x))
    again = pickle.loads(pickle.dumps(first))  # noqa: S301 - our own
    np.testing.assert_array_equal(first.predict_proba(x), again.predict_proba(x))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"model": "forest"}, "model.name"),
        ({"k": 0}, "graph.k"),
        ({"space": "image"}, "graph.space"),
        ({"image_columns": 13}, "image_columns is 13; X has 12 columns"),
        ({"validation": 1.0}, "validation is 1.0"),
        ({"epochs": 0}, "model.epochs"),
    ],
)
def test_parameters_that_cannot_be_used_are_a_value_error(problem, parameters, message):
    x, y, _ = problem
    with pytest.raises(ValueError, match=message):
        PatientGraphClassifier(**parameters).fit(x, y)


def test_several_classes_have_a_probability_each(problem):
    x, _, groups = problem
    y = np.array(["left", "middle", "right"])[np.digitize(x[:, 0], [-0.5, 0.5])]
    classifier = PatientGraphClassifier("logistic", **SHORT).fit(x, y, groups=groups)
    found = classifier.predict_proba(x)
    assert classifier.threshold_ is None
    assert classifier.predictor_.bundle.served.classes == ("left", "middle", "right")
    np.testing.assert_allclose(found.sum(1), 1)
    assert (classifier.predict(x) == y).mean() > 0.8


def test_labels_and_groups_that_cannot_be_used_are_a_value_error(problem):
    x, y, groups = problem
    with pytest.raises(ValueError, match="y holds 1 class"):
        PatientGraphClassifier(unlabelled=0).fit(x, y)
    with pytest.raises(ValueError, match="groups has 5 values"):
        PatientGraphClassifier().fit(x, y, groups=groups[:5])


def test_a_class_that_fit_has_not_seen_is_a_value_error(problem):
    x, y, groups = problem
    classifier = PatientGraphClassifier("knn_vote", **SHORT).fit(x, y, groups=groups)
    assert classifier.score(x, y) > 0.8
    with pytest.raises(ValueError, match=r"classes that fit has not seen: 7 \(seen: 0, 1\)"):
        classifier.score(x, np.where(np.arange(120) == 3, 7, y))


def test_a_space_for_two_classes_is_refused_with_several(problem):
    x, _, groups = problem
    y = np.digitize(x[:, 0], [-0.5, 0.5])
    with pytest.raises(ValueError, match=r"graph\.space = 'learnt'"):
        PatientGraphClassifier(space="learnt", **SHORT).fit(x, y, groups=groups)


@pytest.mark.parametrize("missing", [np.nan, None])
def test_a_missing_group_is_no_group_of_its_own(problem, missing):
    x, y, groups = problem
    given = np.array([missing, missing, *map(str, groups[2:])], dtype=object)
    with pytest.raises(ValueError, match=r"groups is missing in 2 rows \(0, 1\)"):
        PatientGraphClassifier(epochs=2).fit(x, y, groups=given)
