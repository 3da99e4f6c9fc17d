"""The plan removes one fault at a time and gives the reason for each step that it skips."""

import itertools

import pytest
from tests.studies.conftest import CLASSES, page_settings

from cardiograph.studies.controls import CONTROLS
from cardiograph.studies.faults.records import AugmentationPool
from cardiograph.studies.faults.switches import FAULTS, THESIS, Faults
from cardiograph.studies.ladder.plan import (
    ALONE_TITLES,
    CONTROL_TITLES,
    NO_FAULTS_STEP,
    OWN_STEP,
    QUICK_CONTROLS,
    QUICK_FAULTS,
    STEP_TITLES,
    THESIS_STEP,
    make_plan,
)
from cardiograph.studies.shared_cohort import SharedCohort


@pytest.fixture
def values_cohort(values_table):
    return SharedCohort(values_table, page_settings(cohort={"positive": []}), None, pool=AugmentationPool(0))


def left_out(steps):
    return {step.name: step.why_not for step in steps if step.why_not}


def test_each_step_of_a_ladder_removes_one_fault_in_the_order_of_the_table(shared_cohort):
    for modality, steps in make_plan(shared_cohort).ladders.items():
        assert [step.name for step in steps] == [THESIS_STEP, *FAULTS, OWN_STEP]
        assert {step.modality for step in steps} == {modality}
        run = [step for step in steps if not step.why_not]
        for before, after in itertools.pairwise(run[:-1]):
            assert set(before.faults.on()) - set(after.faults.on()) == {after.name}
        assert run[-2].faults == run[-1].faults == Faults()


def test_the_published_settings_end_with_the_last_fault(shared_cohort):
    *published, ours = make_plan(shared_cohort).ladders["image"]
    assert {step.config.balance.mode for step in published} == {"augment"}
    assert {step.config.model.epochs for step in published} == {THESIS["model"]["epochs"]}
    assert ours.config == shared_cohort.config


def test_values_from_the_label_are_the_first_to_go_in_the_multimodal_ladder(shared_cohort):
    steps = make_plan(shared_cohort).ladders["both"]
    assert steps[1].name == "simulated_from_label"
    assert not steps[1].why_not
    assert "no clinical values" in left_out(make_plan(shared_cohort).ladders["image"])["simulated_from_label"]


def test_what_cannot_matter_is_left_out_with_a_reason(shared_cohort):
    reasons = left_out(make_plan(shared_cohort).ladders["both"])
    assert set(reasons) == {"silent_zero_image", "positive_is_normal"}
    assert "are swapped" in reasons["positive_is_normal"]
    assert not set(make_plan(shared_cohort).ladders["both"][0].faults.on()) & set(reasons)


def test_a_fault_that_is_left_out_is_never_switched_on(shared_cohort):
    plan = make_plan(shared_cohort)
    for steps in (*plan.ladders.values(), *plan.alone.values()):
        for step in steps:
            assert step.why_not or not set(step.faults.on()) & set(left_out(steps))


def test_without_copies_the_split_cannot_matter(make_shared_cohort, pages, tmp_path):
    table = tmp_path / "once.csv"
    lines = [f"{page},{CLASSES[number % 3]}" for number, page in enumerate(pages)]
    table.write_text("ecg,label\n" + "\n".join(lines))
    plan = make_plan(make_shared_cohort(table))
    assert "no group" in left_out(plan.ladders["image"])["duplicates_across_split"]
    assert "header_by_row" in left_out(plan.controls)


def test_a_table_of_values_has_one_ladder_without_faults_of_pages(values_cohort):
    plan = make_plan(values_cohort)
    assert list(plan.ladders) == list(plan.alone) == ["clinical"]
    reasons = left_out(plan.ladders["clinical"])
    assert {name for name, why in reasons.items() if "no pages" in why} == {
        "augment_before_split",
        "one_source_augmentation",
        "mirrored_ecg",
        "header_in_view",
        "silent_zero_image",
    }
    assert left_out(plan.controls)["clinical_only"] == "the model reads nothing else"


def test_each_fault_alone_is_added_to_a_path_that_augments(shared_cohort):
    plan = make_plan(shared_cohort)
    sound, *steps = plan.alone["image"]
    assert (sound.name, sound.faults.on(), sound.config.balance.mode) == (NO_FAULTS_STEP, (), "augment")
    assert [step.name for step in steps] == list(FAULTS)
    assert all(step.faults.on() == (step.name,) for step in steps)
    assert [step.name for step in plan.alone["both"][1:]] == ["simulated_from_label", "unscaled_blocks"]


def test_controls_are_compared_with_the_last_step_of_the_ladder(shared_cohort):
    ours, *controls = make_plan(shared_cohort).controls
    assert [step.name for step in controls] == list(CONTROLS)
    assert ours.config == make_plan(shared_cohort).ladders["image"][-1].config
    assert {step.name: step.faults.on() for step in controls}["header_by_row"] == ("duplicates_across_split",)


def test_settings_that_are_a_fault_themselves_are_not_taken_away(make_shared_cohort):
    reasons = left_out(make_plan(make_shared_cohort(pages={"view": "whole"}, balance={"flip": True})).ladders["image"])
    assert "pages.view" in reasons["header_in_view"]
    assert "balance.flip" in reasons["mirrored_ecg"]


def test_image_as_the_only_modality_means_one_ladder(make_shared_cohort):
    assert list(make_plan(make_shared_cohort(cohort={"modality": "image"})).ladders) == ["image"]


def test_everything_has_a_name_for_people(shared_cohort):
    assert set(STEP_TITLES) == {THESIS_STEP, *FAULTS, OWN_STEP, NO_FAULTS_STEP}
    assert set(ALONE_TITLES) == set(FAULTS)
    assert set(CONTROL_TITLES) == set(CONTROLS)
    keys = [step.key for step in make_plan(shared_cohort).steps]
    assert len(keys) == len(set(keys))


def test_a_quick_plan_needs_neither_the_whole_page_nor_copies_of_test_pages(shared_cohort):
    plan = make_plan(shared_cohort, quick=True)
    assert [step.name for step in plan.ladders["both"]] == [THESIS_STEP, *QUICK_FAULTS, OWN_STEP]
    assert [step.name for step in plan.alone["both"]] == [NO_FAULTS_STEP, "simulated_from_label"]
    assert [step.name for step in plan.alone["image"] if not step.why_not] == [
        NO_FAULTS_STEP,
        "duplicates_across_split",
    ]
    assert [step.name for step in plan.controls] == [OWN_STEP, *QUICK_CONTROLS]
    assert {step.faults.header_in_view for step in plan.steps} == {False}
    assert {step.faults.augment_before_split for step in plan.steps} == {False}
