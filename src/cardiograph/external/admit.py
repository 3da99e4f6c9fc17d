"""Records that want to become reference records of a finished run: where they belong, and which may not."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiograph.containers import TEST, Cohort, Split
from cardiograph.errors import CohortError
from cardiograph.external.append_reference import Newcomers, require_complete
from cardiograph.external.cohort import embeddings, model_values, require_known, some_records
from cardiograph.external.match_records import SKIPPED, Joined, Known, Members, join
from cardiograph.inference import Predictor
from cardiograph.ingest.context import Workshop
from cardiograph.ingest.groups import group_records
from cardiograph.ingest.page_index import Survey
from cardiograph.train.data import Material, Studied


@dataclass(frozen=True)
class Addition:
    """What is to be added, read and matched with the run's records."""

    studied: Studied
    joined: Joined
    names: tuple[str, ...]
    skipped: dict[str, int]
    notes: tuple[str, ...]


def admit(
    read: tuple[Cohort, Survey | None],
    known: Known,
    predictor: Predictor,
    shop: Workshop,
    *,
    numbers: Mapping[str, int],
    skip_known: bool,
) -> Addition:
    """The records with their groups among those of the run.

    Raises:
        CohortError: Records that may not become reference records, or none that may.
    """
    shop.progress.start("matching records", 1)
    cohort, survey = read
    kept = np.arange(len(cohort))
    studied, joined = _joined(cohort, survey, known, predictor, shop, numbers)
    skipped: dict[str, int] = {}
    left_out = [(row, issue.code) for row, issue in joined.issues if skip_known and issue.code in SKIPPED]
    if left_out:
        skipped = {code: sum(each == code for _, each in left_out) for code in SKIPPED}
        kept = np.setdiff1d(kept, [row for row, _ in left_out])
        if not len(kept):
            message = (
                f"all {len(cohort)} records are known to the run already, or may not be added; nothing to extend by"
            )
            raise CohortError(message, [issue for _, issue in joined.issues])
        pages = None if survey is None else dataclasses.replace(survey.of(kept.tolist()), skipped=survey.skipped)
        studied, joined = _joined(some_records(cohort, kept), pages, known, predictor, shop, numbers)
    if joined.issues:
        message = f"{len(joined.issues)} of {len(cohort)} records cannot become reference records of this run"
        raise CohortError(message, [issue for _, issue in joined.issues])
    require_known(studied)
    require_complete(
        predictor.bundle, _blocks(studied), where=lambda row: _where(numbers, studied.cohort.record_ids[row])
    )
    names, renamed = _new_names([str(name) for name in studied.cohort.record_ids], known.members.record_ids)
    notes = []
    if renamed:
        notes.append(f"{renamed} records have a name that the run has already; they are called NAME:2 and so on")
    return Addition(studied, joined, names, skipped, tuple(notes))


def _blocks(studied: Studied) -> dict[str, NDArray[np.bool_]]:
    """Block -> [records] whether a record has it."""
    found = {"image": np.zeros(len(studied.cohort), bool), "clinical": np.zeros(len(studied.cohort), bool)}
    if studied.material.image is not None:
        found["image"] = np.asarray(~np.isnan(studied.material.image).any(1))
    if studied.material.clinical is not None:
        found["clinical"] = np.asarray(~np.isnan(studied.material.clinical.values).all(1))
    return found


def _joined(
    cohort: Cohort,
    survey: Survey | None,
    known: Known,
    predictor: Predictor,
    shop: Workshop,
    numbers: Mapping[str, int],
) -> tuple[Studied, Joined]:
    """The records with their values, and where they belong."""
    own, clinical = group_records(cohort, survey, shop.config), model_values(cohort, predictor)
    split = Split(np.full(len(cohort), TEST), own, "given")
    image = None if survey is None else np.zeros((len(cohort), 1), np.float32)
    if image is not None and survey is not None:
        image[~survey.paged] = np.nan
    elif predictor.bundle.served.encoder is not None:
        image = np.full((len(cohort), 1), np.nan, np.float32)
    studied = Studied(cohort, survey, split, Material(image, clinical, cohort.labels, split))
    members = Members(
        record_ids=[str(name) for name in cohort.record_ids],
        patient_ids=list(cohort.table["patient_id"]),
        pixel_hashes=[None] * len(cohort) if survey is None else survey.pixel_hashes,
        likeness=None if survey is None else survey.perceptual_hashes,
        values=np.zeros((len(cohort), 0)) if clinical is None else clinical.values,
    )

    def where(row: int) -> str:
        return _where(numbers, members.record_ids[row])

    return studied, join(members, own, known, near_copies=predictor.bundle.served.pages.near_copies, where=where)


def _new_names(names: Sequence[str], there: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Names that the run does not have, and how many were changed for it."""
    taken, given, found, changed = set(there), set(names), [], 0
    for name in names:
        chosen, number = name, 1
        while chosen in taken or (chosen != name and chosen in given):
            number += 1
            chosen = f"{name}:{number}"
        changed += chosen != name
        taken.add(chosen)
        found.append(chosen)
    return tuple(found), changed


def embedded(added: Addition, predictor: Predictor, shop: Workshop) -> Addition:
    """The records with the embeddings of their pages."""
    studied = added.studied
    if predictor.bundle.served.encoder is None:
        return added
    image = embeddings(studied.cohort, studied.survey, predictor, shop)
    material = dataclasses.replace(studied.material, image=image)
    return dataclasses.replace(added, studied=dataclasses.replace(studied, material=material))


def newcomers(added: Addition, predictor: Predictor) -> Newcomers:
    """The records as what a bundle is widened by."""
    studied, width = added.studied, predictor.bundle.reference.perceptual_hashes.shape[1]
    cohort, survey, clinical = studied.cohort, studied.survey, studied.material.clinical
    nothing = np.zeros((len(cohort), width), np.uint8)
    return Newcomers(
        image=studied.material.image,
        clinical=np.zeros((len(cohort), 0)) if clinical is None else clinical.values,
        labels=cohort.labels,
        groups=added.joined.groups,
        record_ids=added.names,
        patient_ids=tuple(name or "" for name in cohort.table["patient_id"]),
        pixel_hashes=("",) * len(cohort) if survey is None else tuple(each or "" for each in survey.pixel_hashes),
        perceptual_hashes=nothing if survey is None or not width else survey.perceptual_hashes,
    )


def _where(numbers: Mapping[str, int], name: str) -> str:
    return f"record {name!r} (no. {numbers[name]} of the cohort)"
