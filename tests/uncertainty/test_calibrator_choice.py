import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import log_loss

from cardiograph.uncertainty.calibrator_choice import fit_calibrator
from cardiograph.uncertainty.calibrators import KINDS, fit_kind


def drawn(n, seed=0, sharpness=1.0, shift=0.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, n)
    return sharpness * logits + shift, (rng.random(n) < expit(logits)).astype(np.int64)


def chosen(scores, labels, groups=None, kind="auto", seed=0):
    groups = np.arange(len(scores)) if groups is None else groups
    return fit_calibrator(scores, labels, groups, kind=kind, rng=np.random.default_rng(seed))


def test_a_score_that_is_already_right_is_left_alone():
    found = chosen(*drawn(600))
    assert found.calibrator.kind == "none"
    assert set(found.log_loss) == set(KINDS)
    assert found.folds == 5


def test_a_score_too_extreme_gets_a_temperature():
    found = chosen(*drawn(600, sharpness=3.0))
    assert found.calibrator.kind == "temperature"
    assert found.log_loss["temperature"] < found.log_loss["none"] - 0.1
    assert "temperature has a log loss of" in found.reason


def test_a_shifted_score_gets_platt():
    assert chosen(*drawn(600, shift=2.0)).calibrator.kind == "platt"


def test_a_curve_that_is_no_line_gets_a_map_that_can_follow_it():
    rng = np.random.default_rng(4)
    scores = rng.uniform(-6, 6, 3000)
    labels = (rng.random(3000) < np.where(scores < 0, 0.45, 0.95)).astype(np.int64)
    found = chosen(scores, labels)
    assert found.calibrator.kind in ("isotonic", "venn_abers")
    assert found.log_loss[found.calibrator.kind] < found.log_loss["platt"] - 0.01


def test_few_rows_leave_the_flexible_kinds_out_and_say_so():
    found = chosen(*drawn(199, sharpness=3.0))
    assert list(found.log_loss) == ["none", "temperature", "platt"]
    assert "isotonic and venn_abers were not considered, they want 200 records and 50 of each class" in found.reason
    scores, labels = drawn(1000)
    rare = np.concatenate([np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[:49]])
    assert "isotonic" not in chosen(scores[rare], labels[rare]).log_loss


@pytest.mark.parametrize(
    "labels",
    [np.zeros(30, int), np.ones(30, int), np.array([1] * 4 + [0] * 26), np.array([0, 1] * 9), np.array([], int)],
    ids=["no positive", "no negative", "four positive", "18 rows", "no row"],
)
@pytest.mark.parametrize("kind", ["auto", "platt"])
def test_too_few_rows_or_one_class_are_not_calibrated(labels, kind):
    found = chosen(np.linspace(-1, 1, len(labels)), labels, kind=kind)
    assert found.calibrator.kind == "none"
    assert (found.log_loss, found.folds) == ({}, 0)
    assert found.reason.startswith(f"not calibrated: {len(labels)} records, {labels.sum()} of them positive")
    assert found.reason.endswith("platt is the configured kind") == (kind == "platt")


def test_a_class_in_one_group_cannot_be_held_out():
    scores, labels = drawn(60, sharpness=4.0)
    found = chosen(scores, labels, groups=np.where(labels == 1, 0, np.arange(60) + 1))
    assert found.calibrator.kind == "none"
    assert "in a single group" in found.reason


@pytest.mark.parametrize("kind", KINDS)
def test_a_requested_kind_is_used_and_fitted_on_all_rows(kind):
    scores, labels = drawn(100, sharpness=2.0)
    found = chosen(scores, labels, kind=kind)
    assert found.calibrator.to_dict() == fit_kind(scores, labels, kind).to_dict()
    assert found.reason.startswith(f"{kind} is the configured kind (100 records")
    assert ("its steps follow chance" in found.reason) == (kind == "isotonic")
    assert ("its steps are coarse" in found.reason) == (kind == "venn_abers")
    assert set(found.log_loss) == {"none", "temperature", "platt", kind}


def test_the_log_loss_without_a_map_is_that_of_scikit_learn():
    scores, labels = drawn(100)
    assert chosen(scores, labels).log_loss["none"] == pytest.approx(log_loss(labels, expit(scores)))


def test_copies_of_a_record_do_not_vouch_for_it():
    """Labels are drawn by a coin, ten copies of each record: only a fold that parts copies can find something here."""
    rng = np.random.default_rng(0)
    scores, labels = np.repeat(rng.normal(size=30), 10), np.repeat(rng.integers(0, 2, 30), 10)
    grouped, loose = chosen(scores, labels, groups=np.repeat(np.arange(30), 10)), chosen(scores, labels)
    assert loose.log_loss["venn_abers"] < 0.65
    assert loose.calibrator.kind == "venn_abers"
    assert grouped.log_loss["venn_abers"] > 0.7
    assert grouped.calibrator.kind == "none"


def test_the_same_generator_gives_the_same_choice_and_names_of_groups_do_not_matter():
    scores, labels = drawn(300, sharpness=1.5)
    groups = np.arange(300) // 2
    first, second = chosen(scores, labels, groups), chosen(scores, labels, groups + 1000)
    assert first.log_loss == second.log_loss
    assert first.reason == second.reason


def test_rows_that_cannot_be_used_are_refused():
    scores, labels = drawn(30)
    with pytest.raises(ValueError, match=r"groups have shape \(29,\), allowed is one group per score: \(30,\)"):
        chosen(scores, labels, groups=np.arange(29))
    with pytest.raises(ValueError, match=r"labels\[0\] is 3"):
        chosen(scores, np.full(30, 3))
    with pytest.raises(ValueError, match=r"scores\[0\] is nan"):
        chosen(np.full(30, np.nan), labels)
    with pytest.raises(ValueError, match="kind is 'beta', allowed are auto, none"):
        chosen(scores, labels, kind="beta")
