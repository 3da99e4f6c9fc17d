"""Plan of a ladder: the faults in order, the faults that have no effect on the cohort, and the controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cardiograph.config import RunConfig
from cardiograph.schema import UNLABELLED
from cardiograph.studies.controls import CONTROLS, margins
from cardiograph.studies.faults.switches import FAULTS, THESIS, Faults
from cardiograph.studies.shared_cohort import Modality, SharedCohort

THESIS_STEP, OWN_STEP, NO_FAULTS_STEP = "thesis", "ours", "sound"
"""Names of the first and the last step of a ladder, and of the run without faults to which single faults are added."""

QUICK_FAULTS = ("simulated_from_label", "duplicates_across_split")
"""Faults of a quick ladder: each one alone gives a high score, and neither needs another view of the pages."""

QUICK_CONTROLS = ("permuted_labels", "clinical_only", "logistic")
"""Controls of a quick ladder."""

QUICK_START_TITLE = "Published settings with the faults below"

NEED_CLINICAL = ("simulated_from_label", "unscaled_blocks")
"""Faults that are also added alone to the multimodal run."""

MIN_DIFFERENT_MARGINS = 10
"""Minimum number of different page margins for a model of the margins."""

NO_FAULTS = Faults()

STEP_TITLES: dict[str, str] = {
    THESIS_STEP: "Published protocol, all faults",
    "simulated_from_label": "Clinical values independent of the label",
    "duplicates_across_split": "Copies and patients kept in one part",
    "augment_before_split": "Split first, then augment",
    "one_source_augmentation": "Copies from all pages of the smaller class",
    "mirrored_ecg": "No mirrored ECGs",
    "header_in_view": "Printed header and footer hidden",
    "unscaled_blocks": "Features standardised, blocks weighted",
    "reversed_edges": "Edges from the neighbours of each record",
    "separate_test_graph": "No edges between test records",
    "patient_in_validation_graph": "New patients attached to training records",
    "silent_zero_image": "Unreadable pages left out",
    "positive_is_normal": "The outcome is the positive class",
    OWN_STEP: "Our own training settings (no fault)",
    NO_FAULTS_STEP: "No fault",
}
"""Step -> title; the step of a fault removes it."""

ALONE_TITLES: dict[str, str] = {
    "simulated_from_label": "Clinical values drawn from the label",
    "duplicates_across_split": "Copies and patients in several parts of the split",
    "augment_before_split": "Augmented copies split like records",
    "one_source_augmentation": "All copies from one page, others of the class dropped",
    "mirrored_ecg": "Mirrored ECGs among the copies",
    "header_in_view": "Printed header and footer visible",
    "unscaled_blocks": "Features and blocks unscaled",
    "reversed_edges": "Edges reversed",
    "separate_test_graph": "Separate graph of the test records",
    "patient_in_validation_graph": "New patients attached to validation records",
    "silent_zero_image": "Unreadable pages as zeros",
    "positive_is_normal": "Label 0 as the positive class",
}
"""Fault -> title of the step that adds it alone."""

CONTROL_TITLES: dict[str, str] = {
    "permuted_labels": "Labels exchanged between groups",
    "header_by_row": "Page header and footer alone, rows split",
    "header_by_group": "Page header and footer alone, groups split",
    "clinical_only": "Clinical values alone",
    "without_graph": "Same features, no graph (MLP)",
    "logistic": "Same features, logistic regression",
    "rewired_edges": "Random neighbours",
}


@dataclass(frozen=True)
class Step:
    """Trials that differ only in their seed.

    Args:
        part: ``ladder``, ``alone`` or ``control``.
        name: ``thesis``, a fault, ``ours``, ``sound`` or a control.
        title: Title in reports.
        modality: Inputs of the model.
        config: Settings apart from faults, modality and seed.
        faults: Active faults.
        by_class: Whether to fit a second model to the classes if there are more than two.
        why_not: Reason for which the step is not run; empty if it is run.
    """

    part: str
    name: str
    title: str
    modality: Modality
    config: RunConfig
    faults: Faults = NO_FAULTS
    by_class: bool = True
    why_not: str = ""

    @property
    def key(self) -> str:
        """Unique name among all steps of a plan."""
        return f"{self.part} {self.modality} {self.name}"


@dataclass(frozen=True)
class Plan:
    """All steps of a ladder.

    Args:
        ladders: Modality -> steps from the published protocol to our settings.
        alone: Modality -> the run without faults, then each fault added to it alone.
        controls: Our settings, then the controls.
    """

    ladders: dict[Modality, tuple[Step, ...]]
    alone: dict[Modality, tuple[Step, ...]]
    controls: tuple[Step, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Steps to run, in order."""
        rows = [*self.ladders.values(), *self.alone.values(), self.controls]
        return tuple(step for steps in rows for step in steps if not step.why_not)


def make_plan(shared_cohort: SharedCohort, *, quick: bool = False) -> Plan:
    """Plan the steps for a cohort.

    Args:
        shared_cohort: Cohort; its pages are read if necessary.
        quick: Whether to try only ``QUICK_FAULTS`` and ``QUICK_CONTROLS``.
    """
    faults = QUICK_FAULTS if quick else FAULTS
    config = shared_cohort.config
    published = config.model_copy(
        update={
            section: getattr(config, section).model_copy(update=THESIS[section]) for section in ("balance", "model")
        }
    )
    augmenting = config.model_copy(update={"balance": config.balance.model_copy(update={"mode": "augment"})})
    modalities: tuple[Modality, ...] = ("clinical",)
    if shared_cohort.cohort.has_pages:
        modalities = ("image",) if config.cohort.modality == "image" else ("image", "both")
    ladders = {modality: _ladder(shared_cohort, modality, published, faults) for modality in modalities}
    alone = {
        modality: _alone(shared_cohort, modality, augmenting if shared_cohort.cohort.has_pages else config, faults)
        for modality in modalities
    }
    main = "both" if "both" in modalities and shared_cohort.cohort.variables else modalities[0]
    return Plan(ladders, alone, _controls(shared_cohort, main, QUICK_CONTROLS if quick else tuple(CONTROLS)))


def reasons_against(shared_cohort: SharedCohort, modality: Modality) -> dict[str, str]:
    """Return fault -> reason for which it cannot change a score of this cohort; other faults are absent."""
    sizes = np.bincount(shared_cohort.groups.index[shared_cohort.usable[0].labels != UNLABELLED], minlength=1)
    unlabelled = int((shared_cohort.cohort.labels == UNLABELLED).sum())
    page_index = shared_cohort.usable[1]
    found = {
        "positive_is_normal": "it cannot change AUROC or balanced accuracy; sensitivity and specificity are swapped"
    }
    if sizes.max() < 2:
        found["duplicates_across_split"] = "no group has more than one record"
    if modality == "image":
        found["simulated_from_label"] = "this model reads no clinical values"
    elif unlabelled:
        found["simulated_from_label"] = f"{unlabelled} record(s) have no label to draw values from"
    if page_index is None or modality == "clinical":
        about_pages = ("augment_before_split", "one_source_augmentation", "mirrored_ecg", "header_in_view")
        return found | dict.fromkeys((*about_pages, "silent_zero_image"), "this model reads no pages")
    if not page_index.skipped:
        found["silent_zero_image"] = "every page can be read"
    if shared_cohort.config.pages.view == "whole":
        found["header_in_view"] = "the settings already show the whole page (pages.view)"
    if shared_cohort.config.balance.flip:
        found["mirrored_ecg"] = "the settings already mirror pages (balance.flip)"
    return found


def _ladder(
    shared_cohort: SharedCohort, modality: Modality, published: RunConfig, names: Sequence[str]
) -> tuple[Step, ...]:
    against = reasons_against(shared_cohort, modality)
    faults = Faults(**dict.fromkeys(names, True)).without(*against)
    title = STEP_TITLES[THESIS_STEP] if len(names) == len(FAULTS) else QUICK_START_TITLE
    steps = [Step("ladder", THESIS_STEP, title, modality, published, faults)]
    for name in names:
        faults = faults.without(name)
        steps.append(
            Step("ladder", name, STEP_TITLES[name], modality, published, faults, why_not=against.get(name, ""))
        )
    return (*steps, Step("ladder", OWN_STEP, STEP_TITLES[OWN_STEP], modality, shared_cohort.config))


def _alone(
    shared_cohort: SharedCohort, modality: Modality, config: RunConfig, names: Sequence[str]
) -> tuple[Step, ...]:
    against = reasons_against(shared_cohort, modality)
    steps = [
        Step(
            "alone",
            name,
            ALONE_TITLES[name],
            modality,
            config,
            Faults(**{name: True}),
            by_class=False,
            why_not=against.get(name, ""),
        )
        for name in names
        if modality != "both" or name in NEED_CLINICAL
    ]
    return (Step("alone", NO_FAULTS_STEP, STEP_TITLES[NO_FAULTS_STEP], modality, config, by_class=False), *steps)


def _controls(shared_cohort: SharedCohort, modality: Modality, names: Sequence[str]) -> tuple[Step, ...]:
    against = _controls_against(shared_cohort, modality)
    faults = {"header_by_row": Faults(duplicates_across_split=True)}
    modalities: dict[str, Modality] = {
        "clinical_only": "clinical",
        "header_by_row": "image",
        "header_by_group": "image",
    }
    steps = [
        Step(
            "control",
            name,
            CONTROL_TITLES[name],
            modalities.get(name, modality),
            shared_cohort.config,
            faults.get(name, NO_FAULTS),
            by_class=False,
            why_not=against.get(name, ""),
        )
        for name in names
    ]
    return (Step("control", OWN_STEP, STEP_TITLES[OWN_STEP], modality, shared_cohort.config), *steps)


def _controls_against(shared_cohort: SharedCohort, modality: Modality) -> dict[str, str]:
    """Return control -> reason for which it is meaningless for this cohort."""
    headers, page_index = ("header_by_row", "header_by_group"), shared_cohort.usable[1]
    if page_index is None or modality == "clinical":
        return dict.fromkeys(headers, "the cohort has no pages") | {"clinical_only": "the model reads nothing else"}
    found = {}
    if shared_cohort.config.cohort.modality == "image":
        found["clinical_only"] = "the settings exclude clinical values"
    if "duplicates_across_split" in reasons_against(shared_cohort, modality):
        found["header_by_row"] = "no group has more than one record, so both splits are equal"
    if len(np.unique(margins(page_index), axis=0)) < MIN_DIFFERENT_MARGINS:
        found |= dict.fromkeys(headers, "the margins of the pages are equal")
    return found
