"""The precision to expect from a number of records, by the textbook formula and by simulation."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cardiograph.audit.size import check_cohort_size, hanley_mcneil, needed_test_groups, size_facts
from cardiograph.containers import Groups


def test_the_standard_error_by_hand():
    q1, q2 = 0.8 / 1.2, 2 * 0.64 / 1.8
    by_hand = np.sqrt((0.16 + 29 * (q1 - 0.64) + 69 * (q2 - 0.64)) / (30 * 70))
    assert hanley_mcneil(0.8, 30, 70) == pytest.approx(by_hand)


@pytest.mark.exhaustive
def test_the_standard_error_by_simulation():
    """Exponential scores, for which the formula is exact: rates 1 and 1/4 give an AUROC of 0.8."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [60, 40])
    drawn = [roc_auc_score(labels, rng.exponential(np.where(labels, 4.0, 1.0))) for _ in range(1500)]
    assert np.mean(drawn) == pytest.approx(0.8, abs=0.005)
    assert np.std(drawn) == pytest.approx(hanley_mcneil(0.8, 40, 60), rel=0.07)


@pytest.mark.parametrize("prevalence", [0.1, 0.3, 0.5])
def test_the_smallest_test_set_is_the_smallest(prevalence):
    n = needed_test_groups(prevalence)
    half = [1.96 * hanley_mcneil(0.8, prevalence * m, (1 - prevalence) * m) for m in (n - 1, n)]
    assert half[1] <= 0.05 < half[0] + 1e-4


def test_copies_count_once(audited):
    labels = np.repeat([0, 1], 20)
    alone = size_facts(audited(labels))
    doubled = size_facts(audited(np.tile(labels, 2), groups=Groups(np.tile(np.arange(40), 2))))
    assert (alone["positive_groups"], doubled["positive"], doubled["positive_groups"]) == (20, 40, 20)
    assert doubled["expected_half_width"] == alone["expected_half_width"]


def test_few_events_give_a_warning(audited, rng):
    labels = np.arange(60) < 30
    few = {f.code for f in check_cohort_size(audited(labels.astype(int), values=rng.normal(size=(60, 5))))}
    assert few == {"few_events", "interval_width"}
    enough = audited(labels.astype(int), values=rng.normal(size=(60, 2)), names=("ef", "age"))
    assert {f.code for f in check_cohort_size(enough)} == {"interval_width"}


def test_one_class_can_show_nothing(audited):
    (finding,) = check_cohort_size(audited([1, 1, 1, -1]))
    assert finding.code == "one_class"


def test_a_large_test_part_gives_a_note(audited):
    labels = np.arange(8000) % 2
    part = np.where(np.arange(8000) < 4000, "train", "test")
    sampled, finding = check_cohort_size(audited(labels, part=part))
    assert (finding.code, finding.severity) == ("interval_width", "note")
    assert (sampled.code, sampled.severity) == ("probes_sampled", "note")
    assert "5,000 of the 8,000 labelled records" in sampled.text
