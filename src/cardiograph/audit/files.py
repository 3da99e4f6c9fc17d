"""Check for page files that cannot be used and page files that differ from the rest."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from cardiograph.audit.audit_input import AuditedPages, AuditInput
from cardiograph.audit.findings import Finding
from cardiograph.imaging.prepare import is_refusal

MIN_COMMON_SHARE = 0.8
"""Minimum share of similar pages; only then are the others reported as odd."""

MAX_ASPECT_CHANGE, MAX_WIDTH_RATIO, MAX_GRID_SHIFT = 0.05, 1.5, 0.08
"""Limits beyond which a page is odd: relative change of the aspect ratio, ratio of the widths, and shift of a grid edge
as a share of the side."""

_RECORD_ID = re.compile(r"\((?:.*, )?record '(.*)'\)$")


def check_files(audited: AuditInput) -> Iterator[Finding]:
    """Yield findings about page files."""
    if audited.pages is None:
        return
    yield from _unusable(audited.pages, skip_bad=audited.skip_bad)
    yield from _pages_with_remarks(audited, audited.pages)
    yield from _seen_by_encoder(audited, audited.pages)
    yield from _odd_sizes(audited, audited.pages)
    yield from _odd_layouts(audited, audited.pages)
    yield from _odd_formats(audited, audited.pages)
    missing = [row for row, traits in audited.pages.known if traits.grid is None]
    if missing:
        yield Finding(
            "no_grid_found",
            "note",
            f"No ECG grid was found on {len(missing)} of {len(audited.pages.known)} pages; their margins are not "
            "probed.",
            "inspect these pages; an image without a grid may not be an ECG",
            audited.ids(missing),
        )


def _unusable(pages: AuditedPages, *, skip_bad: bool) -> Iterator[Finding]:
    """Yield one finding for each kind of fault."""
    by_code = defaultdict(list)
    for issue in pages.skipped:
        by_code[issue.code].append(issue)
    for code, issues in by_code.items():
        matches = [_RECORD_ID.search(issue.where) for issue in issues]
        rows = tuple(found.group(1) if found else issue.where for found, issue in zip(matches, issues, strict=True))
        refused = is_refusal(issues[0])
        consequence = "these records are left out" if skip_bad or refused else "a run stops with an error"
        remedy = issues[0].remedy
        yield Finding(
            code,
            "warn" if skip_bad or refused else "block",
            f"The pages of {len(issues)} record(s) cannot be used, and {consequence}. First: {issues[0].where} is "
            f"{issues[0].value or 'faulty'} ({issues[0].rule}).",
            remedy if refused else f"{remedy}; or skip these records with --skip-bad-pages",
            rows,
        )


def _seen_by_encoder(audited: AuditInput, pages: AuditedPages) -> Iterator[Finding]:
    """Warn about recordings on which the encoder was pretrained, although it saw no diagnosis of them."""
    if pages.seen:
        yield Finding(
            "seen_by_encoder",
            "warn",
            f"The encoder was pretrained on {len(pages.seen)} of these recordings, without their labels; scores on them "
            "can be too high.",
            "leave these records out, or use an encoder that has not seen them: --encoder resnet18 with ImageNet weights",
            audited.ids(list(pages.seen)),
        )


def _pages_with_remarks(audited: AuditInput, pages: AuditedPages) -> Iterator[Finding]:
    """Warn about pages that are used although something about them is unusual."""
    rows = [row for row, remarks in enumerate(pages.remarks) if remarks]
    if rows:
        yield Finding(
            "page_remarks",
            "warn",
            f"{len(rows)} page(s) are used with a remark. First: {'; '.join(pages.remarks[rows[0]])}.",
            "inspect these pages; split a file with several images into one file per image",
            audited.ids(rows),
        )


def _odd_sizes(audited: AuditInput, pages: AuditedPages) -> Iterator[Finding]:
    rows = np.array([row for row, _ in pages.known], np.int64)
    width = np.array([traits.width for _, traits in pages.known], float)
    height = np.array([traits.height for _, traits in pages.known], float)
    aspect = width / height
    other_aspect = np.abs(np.log(aspect / np.median(aspect))) > np.log1p(MAX_ASPECT_CHANGE)
    other_scale = np.abs(np.log(width / np.median(width))) > np.log(MAX_WIDTH_RATIO)
    odd = np.flatnonzero(other_aspect | other_scale)
    sizes = Counter(f"{int(w)} x {int(h)}" for w, h in zip(width, height, strict=True))
    common, count = sizes.most_common(1)[0]
    if len(odd) and len(odd) <= (1 - MIN_COMMON_SHARE) * len(width):
        rare = ", ".join(dict.fromkeys(f"{int(width[row])} x {int(height[row])}" for row in odd[:3]))
        yield Finding(
            "odd_page_size",
            "warn",
            f"{len(odd)} page(s) differ from the rest in aspect ratio or scale ({rare} px; {common} on {count} pages).",
            "check whether they come from another device or paper; one that correlates with the label is a shortcut",
            audited.ids(rows[odd]),
        )
    elif len(odd):
        yield _mixed(
            "mixed_page_sizes", f"Pages come in {len(sizes)} sizes of very different aspect ratio or scale", common
        )


def _odd_layouts(audited: AuditInput, pages: AuditedPages) -> Iterator[Finding]:
    found = [(row, traits) for row, traits in pages.known if traits.grid is not None]
    if len(found) < 5:  # too few pages to call one of them odd
        return
    sides = [(traits.width, traits.height) * 2 for _, traits in found]
    place = np.array([traits.grid for _, traits in found], float) / np.array(sides, float)
    apart = np.abs(place - np.median(place, axis=0)).max(axis=1)
    odd = np.array([row for row, _ in found])[apart > MAX_GRID_SHIFT]
    if len(odd) and len(odd) <= (1 - MIN_COMMON_SHARE) * len(found):
        yield Finding(
            "odd_page_layout",
            "warn",
            f"The grid of {len(odd)} page(s) is at another position than on the rest (an edge is shifted by more than "
            f"{MAX_GRID_SHIFT * 100:g} % of the side).",
            "check whether they are cropped or come from another device",
            audited.ids(odd),
        )
    elif len(odd):
        yield _mixed("mixed_page_layouts", f"The grid position differs on {len(odd)} of {len(found)} pages", "layout")


def _odd_formats(audited: AuditInput, pages: AuditedPages) -> Iterator[Finding]:
    formats = [f"{traits.format}, {traits.mode}" for _, traits in pages.known]
    odd = _minority(formats)
    if odd:
        common = Counter(formats).most_common(1)[0][0]
        rare = ", ".join(dict.fromkeys(formats[row] for row in odd))
        yield Finding(
            "odd_page_format",
            "note",
            f"{len(odd)} page(s) are stored in another format than most ({rare}; most common: {common}).",
            "see the shortcut probe of image files: the format must not correlate with the label",
            audited.ids([pages.known[position][0] for position in odd]),
        )


def _minority(formats: Sequence[Hashable]) -> list[int]:
    """Return the positions of items that differ from the most common one."""
    common = Counter(formats).most_common(1)[0][0]
    return [position for position, each in enumerate(formats) if each != common]


def _mixed(code: str, text: str, common: str) -> Finding:
    return Finding(code, "note", f"{text} (most common: {common}).", "see the shortcut probe of image files")
