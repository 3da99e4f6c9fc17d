"""Copies of pages and patients: how many, under which labels, and whether the split parts them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cardiograph.audit.findings import Finding
from cardiograph.audit.subject import AuditedPages, AuditInput, class_names, count_files
from cardiograph.cohort.duplicates import find_groups
from cardiograph.containers import PARTS, TEST, TRAIN, Groups
from cardiograph.schema import UNLABELLED

FEW_IMAGES = 0.5
"""Share of different images among the files of a class below which it is remarked upon."""


def check_copies(audited: AuditInput) -> Iterator[Finding]:
    """Findings about copies, patients and the split."""
    if audited.pages is not None:
        clusters = page_clusters(audited.pages, near_copies=audited.near_copies)
        yield from _exact(audited, audited.pages)
        yield from _near(audited, clusters)
        yield from _labels(audited, clusters)
        yield from _few_images(audited)
    yield from _parted(audited)


def page_clusters(pages: AuditedPages, *, near_copies: bool = True) -> Groups:
    """[records] clusters of copies, whatever patient they are filed under."""
    return find_groups(
        patient_ids=[None] * len(pages.traits),
        pixel_hashes=pages.pixel_hashes,
        perceptual_hashes=pages.perceptual_hashes,
        near_copies=near_copies,
    )


def _exact(audited: AuditInput, pages: AuditedPages) -> Iterator[Finding]:
    with_page = np.array([row for row, _ in pages.known], np.int64)
    hashes = np.array([pages.pixel_hashes[row] for row in with_page])
    _, index, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    rows = with_page[counts[index] > 1]
    if len(rows):
        yield Finding(
            "exact_copies",
            "warn",
            f"{len(index)} files hold {len(counts)} different images: {len(rows)} files have the same pixels as another one "
            f"(the most common image is there {counts.max()} times).",
            "keep one file of each, or keep them together: cardiograph never parts them",
            audited.ids(rows),
        )


def _near(audited: AuditInput, clusters: Groups) -> Iterator[Finding]:
    if not clusters.links["near copy"] or audited.pages is None:
        return
    hashes = np.array(audited.pages.pixel_hashes)
    different = [len(set(hashes[rows])) for rows in _members(clusters)]
    near = [rows for rows, count in zip(_members(clusters), different, strict=True) if count > 1]
    rows = np.sort(np.concatenate(near))
    yield Finding(
        "near_copies",
        "warn",
        f"{len(rows)} files are near-copies: the same traces in other pixels (rescaled, encoded again, cropped or turned), "
        f"in {len(near)} clusters.",
        "look at some of them; cardiograph keeps them together (pages.near_copies = false parts them)",
        audited.ids(rows),
    )


def _labels(audited: AuditInput, clusters: Groups) -> Iterator[Finding]:
    """Copies of one image that are told to be different things."""
    labels, names = audited.cohort.labels, np.array(class_names(audited), dtype=object)
    labelled = labels != UNLABELLED
    contrary, renamed = [], []
    for members in _members(clusters):
        rows = members[labelled[members]]
        if len(set(labels[rows])) > 1:
            contrary.append(rows)
        elif len(set(names[rows])) > 1:
            renamed.append(rows)
    if contrary:
        yield Finding(
            "copies_with_different_labels",
            "block",
            f"{len(contrary)} image(s) stand under both labels: the same traces cannot be both.",
            "find out which label is right and fix the table, or leave these records out",
            audited.ids(np.concatenate(contrary)),
        )
    if renamed:
        yield Finding(
            "copies_with_different_classes",
            "warn",
            f"{len(renamed)} image(s) stand under more than one class of the same label.",
            "find out which class is right",
            audited.ids(np.concatenate(renamed)),
        )


def _members(clusters: Groups) -> list[NDArray[np.int64]]:
    """Rows of each cluster of more than one record."""
    order = np.argsort(clusters.index, kind="stable").astype(np.int64)
    sizes = np.bincount(clusters.index)
    return [rows for rows in np.split(order, np.cumsum(sizes)[:-1]) if len(rows) > 1]


def _few_images(audited: AuditInput) -> Iterator[Finding]:
    names = np.array(class_names(audited), dtype=object)
    for name, count in count_files(audited)[2].items():
        if count["files"] and count["different"] < FEW_IMAGES * count["files"]:
            yield Finding(
                "class_of_few_images",
                "warn",
                f"Class {name!r} has {count['files']} files, but only {count['different']} different images.",
                "count images, not files, wherever the size of this class is told",
                audited.ids(np.flatnonzero(names == name)),
            )


def _parted(audited: AuditInput) -> Iterator[Finding]:
    """Groups that the split to be judged has in more than one part."""
    if audited.part is None:
        return
    codes = np.array([PARTS.index(part) if part in PARTS else -1 for part in audited.part])
    index = audited.groups.index
    lowest, highest = np.full(len(audited.groups), len(PARTS)), np.full(len(audited.groups), -1)
    used = codes >= 0
    np.minimum.at(lowest, index[used], codes[used])
    np.maximum.at(highest, index[used], codes[used])
    parted = np.flatnonzero(lowest < highest)
    if not len(parted):
        return
    rows = np.flatnonzero(np.isin(index, parted) & used)
    fitted = set(index[audited.part == TRAIN])
    tested = np.flatnonzero(audited.part == TEST)
    known = sum(index[row] in fitted for row in tested)
    yield Finding(
        "split_parts_groups",
        "block",
        f"The split ({audited.split}) parts {len(parted)} group(s) of records that belong together (links: "
        f"{_links(audited.groups)}): {known} of {len(tested)} test records have a copy or the same patient in training.",
        "let cardiograph draw the split, whole groups at a time (`cardiograph run` does where there is no split column), or "
        "fix the split column",
        audited.ids(rows),
    )


def _links(groups: Groups) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in groups.links.items() if count) or "none counted"
