"""Check for copies of pages and repeated patients: their number, their labels, and whether the split separates them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cardiograph.audit.audit_input import AuditedPages, AuditInput, count_files, record_classes
from cardiograph.audit.findings import Finding
from cardiograph.cohort.duplicates import find_groups
from cardiograph.containers import PARTS, TEST, TRAIN, Groups
from cardiograph.schema import UNLABELLED

MIN_DIFFERENT_SHARE = 0.5
"""Minimum share of different images among the files of a class; a lower share gives a warning."""


def check_copies(audited: AuditInput) -> Iterator[Finding]:
    """Yield findings about copies, patients and the split."""
    if audited.pages is not None:
        clusters = page_clusters(audited.pages, near_copies=audited.near_copies)
        yield from _exact_copies(audited, audited.pages)
        yield from _near_copies(audited, clusters)
        yield from _contradicting_labels(audited, clusters)
        yield from _few_images(audited)
    yield from _groups_across_parts(audited)


def page_clusters(pages: AuditedPages, *, near_copies: bool = True) -> Groups:
    """Cluster the [records] by copies of the same page, regardless of patient IDs."""
    return find_groups(
        patient_ids=[None] * len(pages.traits),
        pixel_hashes=pages.pixel_hashes,
        perceptual_hashes=pages.perceptual_hashes,
        near_copies=near_copies,
    )


def _exact_copies(audited: AuditInput, pages: AuditedPages) -> Iterator[Finding]:
    with_page = np.array([row for row, _ in pages.known], np.int64)
    hashes = np.array([pages.pixel_hashes[row] for row in with_page])
    _, index, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    rows = with_page[counts[index] > 1]
    if len(rows):
        yield Finding(
            "exact_copies",
            "warn",
            f"{len(index)} files hold {len(counts)} different images: {len(rows)} files have the same pixels as "
            f"another file (the most frequent image occurs {counts.max()} times).",
            "keep one file of each; cardiograph keeps copies in the same part of the split",
            audited.ids(rows),
        )


def _near_copies(audited: AuditInput, clusters: Groups) -> Iterator[Finding]:
    if not clusters.links["near copy"] or audited.pages is None:
        return
    hashes = np.array(audited.pages.pixel_hashes)
    different = [len(set(hashes[rows])) for rows in _clusters_of_many(clusters)]
    near = [rows for rows, count in zip(_clusters_of_many(clusters), different, strict=True) if count > 1]
    rows = np.sort(np.concatenate(near))
    yield Finding(
        "near_copies",
        "warn",
        f"{len(rows)} files are near-copies: the same traces in different pixels (rescaled, re-encoded, cropped or "
        f"rotated), in {len(near)} clusters.",
        "inspect some of them; cardiograph keeps near-copies together unless pages.near_copies = false",
        audited.ids(rows),
    )


def _contradicting_labels(audited: AuditInput, clusters: Groups) -> Iterator[Finding]:
    """Find copies of one image that have different labels or classes."""
    labels, names = audited.cohort.labels, np.array(record_classes(audited), dtype=object)
    labelled = labels != UNLABELLED
    conflicting, renamed = [], []
    for members in _clusters_of_many(clusters):
        rows = members[labelled[members]]
        if len(set(labels[rows])) > 1:
            conflicting.append(rows)
        elif len(set(names[rows])) > 1:
            renamed.append(rows)
    if conflicting:
        yield Finding(
            "copies_with_different_labels",
            "block",
            f"{len(conflicting)} image(s) occur with {'several labels' if audited.cohort.classes else 'both labels'}, but "
            f"the same traces cannot have {'more than one' if audited.cohort.classes else 'both'}.",
            "find out which label is correct and fix the table, or remove these records",
            audited.ids(np.concatenate(conflicting)),
        )
    if renamed:
        yield Finding(
            "copies_with_different_classes",
            "warn",
            f"{len(renamed)} image(s) occur in more than one class of the same label.",
            "find out which class is correct",
            audited.ids(np.concatenate(renamed)),
        )


def _clusters_of_many(clusters: Groups) -> list[NDArray[np.int64]]:
    """Return the rows of each cluster that has more than one record."""
    order = np.argsort(clusters.index, kind="stable").astype(np.int64)
    sizes = np.bincount(clusters.index)
    return [rows for rows in np.split(order, np.cumsum(sizes)[:-1]) if len(rows) > 1]


def _few_images(audited: AuditInput) -> Iterator[Finding]:
    names = np.array(record_classes(audited), dtype=object)
    for name, count in count_files(audited)[2].items():
        if count["files"] and count["different"] < MIN_DIFFERENT_SHARE * count["files"]:
            yield Finding(
                "class_of_few_images",
                "warn",
                f"Class {name!r} has {count['files']} files, but only {count['different']} different images.",
                "report the number of images, not of files, as the size of this class",
                audited.ids(np.flatnonzero(names == name)),
            )


def _groups_across_parts(audited: AuditInput) -> Iterator[Finding]:
    """Block a split that puts records of one group into different parts."""
    if audited.part is None:
        return
    codes = np.array([PARTS.index(part) if part in PARTS else -1 for part in audited.part])
    index = audited.groups.index
    lowest, highest = np.full(len(audited.groups), len(PARTS)), np.full(len(audited.groups), -1)
    used = codes >= 0
    np.minimum.at(lowest, index[used], codes[used])
    np.maximum.at(highest, index[used], codes[used])
    separated = np.flatnonzero(lowest < highest)
    if not len(separated):
        return
    rows = np.flatnonzero(np.isin(index, separated) & used)
    trained = set(index[audited.part == TRAIN])
    tested = np.flatnonzero(audited.part == TEST)
    known = sum(index[row] in trained for row in tested)
    yield Finding(
        "split_parts_groups",
        "block",
        f"The split ({audited.split}) separates {len(separated)} group(s) of related records (links: "
        f"{_links(audited.groups)}): {known} of {len(tested)} test records have a copy or the same patient in "
        "training.",
        "let cardiograph split whole groups (`cardiograph run` does so if the table has no split column), or fix the "
        "split column",
        audited.ids(rows),
    )


def _links(groups: Groups) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in groups.links.items() if count) or "none counted"
