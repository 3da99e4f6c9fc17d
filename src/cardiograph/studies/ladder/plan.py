"""What a ladder tries on a cohort: which faults in which order, which of them cannot matter there, which controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cardiograph.config import RunConfig
from cardiograph.schema import UNLABELLED
from cardiograph.studies.controls import CONTROLS, margins
from cardiograph.studies.faults.switches import FAULTS, THESIS, Faults
from cardiograph.studies.shared_cohort import Modality, SharedCohort

START, OURS, DEFAULT_STEPS = "thesis", "ours", "sound"
"""First and last step of a ladder, and the path to which faults are added alone."""

QUICK_FAULTS = ("simulated_from_label", "duplicates_across_split")
"""The faults of a quick ladder: each makes a high score by itself, and neither needs another view of the pages."""

QUICK_CONTROLS = ("permuted_labels", "clinical_only", "logistic")
"""The controls of a quick ladder."""

QUICK_START_TITLE = "Published settings, with the faults below"

NEED_CLINICAL = ("simulated_from_label", "unscaled_blocks")
"""Faults that are added alone to the multimodal path, too."""

FEWEST_MARGINS = 10
"""Different page margins below which there is nothing to be learnt from them."""

NO_FAULTS = Faults()

TITLES: dict[str, str] = {
    START: "Published protocol, all faults",
    "simulated_from_label": "Clinical values not drawn from the label",
    "duplicates_across_split": "Copies and patients kept together by the split",
    "augment_before_split": "Split first, then augment",
    "one_source_augmentation": "Copies of all pages of the smaller class",
    "mirrored_ecg": "No mirrored ECGs",
    "header_in_view": "Printed header and footer out of view",
    "unscaled_blocks": "Features standardised, blocks weighted",
    "reversed_edges": "Records hear their own neighbours",
    "separate_test_graph": "Test records no longer hear one another",
    "patient_in_validation_graph": "New patients attached to training records",
    "silent_zero_image": "Unreadable pages left out, not zeros",
    "positive_is_normal": "The outcome is the positive class",
    OURS: "Our own training settings (no fault)",
    DEFAULT_STEPS: "Sound path",
}
"""What is done in a step that takes the fault away."""

ALONE_TITLES: dict[str, str] = {
    "simulated_from_label": "Clinical values drawn from the label",
    "duplicates_across_split": "Copies and patients on both sides of the split",
    "augment_before_split": "Augmented copies split like records",
    "one_source_augmentation": "All copies from one page, the class's others dropped",
    "mirrored_ecg": "Mirrored ECGs among the copies",
    "header_in_view": "Printed header and footer in view",
    "unscaled_blocks": "Features and blocks unscaled",
    "reversed_edges": "Edges reversed",
    "separate_test_graph": "Test records a graph of their own",
    "patient_in_validation_graph": "New patients attached to validation records",
    "silent_zero_image": "Unreadable pages as zeros",
    "positive_is_normal": "Label 0 as the positive class",
}
"""A fault by itself."""

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
    """Trials that differ in their seed alone.

    Args:
        part: ``ladder``, ``alone`` or ``control``.
        name: ``thesis``, a fault, ``ours``, ``sound`` or a control.
        title: In plain words.
        modality: What the model reads.
        config: Settings apart from faults, modality and seed.
        faults: Switched on.
        by_class: Whether classes are learnt, too, where there are more than two.
        why_not: Why it is not run; empty where it is.
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
        """Its name among all steps of a plan."""
        return f"{self.part} {self.modality} {self.name}"


@dataclass(frozen=True)
class Plan:
    """All steps.

    Args:
        ladders: For each modality from the published protocol to ours.
        alone: For each modality the sound path, then the faults that are added to it one by one.
        controls: Our own settings, then the controls.
    """

    ladders: dict[Modality, tuple[Step, ...]]
    alone: dict[Modality, tuple[Step, ...]]
    controls: tuple[Step, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Those that are run, in the order in which they are."""
        rows = [*self.ladders.values(), *self.alone.values(), self.controls]
        return tuple(step for steps in rows for step in steps if not step.why_not)


def make_plan(shared_cohort: SharedCohort, *, quick: bool = False) -> Plan:
    """The steps that a cohort allows.

    Args:
        shared_cohort: Its pages are read here, if they were not yet.
        quick: Whether only ``QUICK_FAULTS`` and ``QUICK_CONTROLS`` are tried.
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
    """Fault -> why it cannot move a score here; faults that can are not in it."""
    sizes = np.bincount(shared_cohort.groups.index[shared_cohort.usable[0].labels != UNLABELLED], minlength=1)
    unlabelled = int((shared_cohort.cohort.labels == UNLABELLED).sum())
    page_index = shared_cohort.usable[1]
    found = {
        "positive_is_normal": "it cannot move AUROC or balanced accuracy: sensitivity and specificity change places"
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
        found["header_in_view"] = "the settings show the whole page anyway (pages.view)"
    if shared_cohort.config.balance.flip:
        found["mirrored_ecg"] = "the settings mirror pages anyway (balance.flip)"
    return found


def _ladder(
    shared_cohort: SharedCohort, modality: Modality, published: RunConfig, names: Sequence[str]
) -> tuple[Step, ...]:
    against = reasons_against(shared_cohort, modality)
    faults = Faults(**dict.fromkeys(names, True)).without(*against)
    title = TITLES[START] if len(names) == len(FAULTS) else QUICK_START_TITLE
    steps = [Step("ladder", START, title, modality, published, faults)]
    for name in names:
        faults = faults.without(name)
        steps.append(Step("ladder", name, TITLES[name], modality, published, faults, why_not=against.get(name, "")))
    return (*steps, Step("ladder", OURS, TITLES[OURS], modality, shared_cohort.config))


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
    return (Step("alone", DEFAULT_STEPS, TITLES[DEFAULT_STEPS], modality, config, by_class=False), *steps)


def _controls(shared_cohort: SharedCohort, modality: Modality, names: Sequence[str]) -> tuple[Step, ...]:
    against = _controls_against(shared_cohort, modality)
    by_row = {"header_by_row": Faults(duplicates_across_split=True)}
    read: dict[str, Modality] = {"clinical_only": "clinical", "header_by_row": "image", "header_by_group": "image"}
    steps = [
        Step(
            "control",
            name,
            CONTROL_TITLES[name],
            read.get(name, modality),
            shared_cohort.config,
            by_row.get(name, Faults()),
            by_class=False,
            why_not=against.get(name, ""),
        )
        for name in names
    ]
    return (Step("control", OURS, TITLES[OURS], modality, shared_cohort.config), *steps)


def _controls_against(shared_cohort: SharedCohort, modality: Modality) -> dict[str, str]:
    """Control -> why it says nothing here."""
    headers, page_index = ("header_by_row", "header_by_group"), shared_cohort.usable[1]
    if page_index is None or modality == "clinical":
        return dict.fromkeys(headers, "the cohort has no pages") | {"clinical_only": "the model reads nothing else"}
    found = {}
    if shared_cohort.config.cohort.modality == "image":
        found["clinical_only"] = "the settings leave clinical values out"
    if "duplicates_across_split" in reasons_against(shared_cohort, modality):
        found["header_by_row"] = "no group has more than one record: both splits are alike"
    if len(np.unique(margins(page_index), axis=0)) < FEWEST_MARGINS:
        found |= dict.fromkeys(headers, "the pages' margins are alike")
    return found
