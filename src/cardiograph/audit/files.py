"""Page files: those that cannot be used, and those that are not like the rest."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from cardiograph.audit.findings import Finding
from cardiograph.audit.subject import AuditedPages, AuditInput
from cardiograph.imaging.prepare import is_refusal

USUAL = 0.8
"""Share of the pages that have to be alike before another one is odd."""

SHAPE_APART, SCALE_APART, PLACE_APART = 0.05, 1.5, 0.08
"""From which ratio of side ratios, ratio of widths, and shift of a grid edge (share of the side) a page is odd."""

_RECORD = re.compile(r"\((?:.*, )?record '(.*)'\)$")


def check_files(audited: AuditInput) -> Iterator[Finding]:
    """Findings about page files."""
    if audited.pages is None:
        return
    yield from _unusable(audited.pages, skip_bad=audited.skip_bad)
    yield from _remarked(audited, audited.pages)
    yield from _odd_sizes(audited, audited.pages)
    yield from _odd_layouts(audited, audited.pages)
    yield from _odd_formats(audited, audited.pages)
    missing = [row for row, traits in audited.pages.known if traits.grid is None]
    if missing:
        yield Finding(
            "no_grid_found",
            "note",
            f"On {len(missing)} of {len(audited.pages.known)} pages no ECG grid was found; their margins were not probed.",
            "look at these pages; a page without a grid may be no ECG",
            audited.ids(missing),
        )


def _unusable(pages: AuditedPages, *, skip_bad: bool) -> Iterator[Finding]:
    """One finding for each kind of fault."""
    kinds = defaultdict(list)
    for issue in pages.skipped:
        kinds[issue.code].append(issue)
    for code, issues in kinds.items():
        named = [_RECORD.search(issue.where) for issue in issues]
        rows = tuple(found.group(1) if found else issue.where for found, issue in zip(named, issues, strict=True))
        refused = is_refusal(issues[0])
        left_out = "they are left out" if skip_bad or refused else "a run stops on them"
        remedy = issues[0].remedy
        yield Finding(
            code,
            "warn" if skip_bad or refused else "block",
            f"The pages of {len(issues)} record(s) cannot be used, and {left_out}; the first: {issues[0].where} is "
            f"{issues[0].value or 'at fault'} ({issues[0].rule}).",
            remedy if refused else f"{remedy}; or go on without these records by --skip-bad-pages",
            rows,
        )


def _remarked(audited: AuditInput, pages: AuditedPages) -> Iterator[Finding]:
    """Pages that are used, although something has to be known of them."""
    rows = [row for row, remarks in enumerate(pages.remarks) if remarks]
    if rows:
        yield Finding(
            "page_remarks",
            "warn",
            f"{len(rows)} page(s) are used with a remark; the first: {'; '.join(pages.remarks[rows[0]])}.",
            "look at these pages; a file of several pictures is split into one file for each",
            audited.ids(rows),
        )


def _odd_sizes(audited: AuditInput, pages: AuditedPages) -> Iterator[Finding]:
    rows = np.array([row for row, _ in pages.known], np.int64)
    width = np.array([traits.width for _, traits in pages.known], float)
    height = np.array([traits.height for _, traits in pages.known], float)
    shape = width / height
    other_shape = np.abs(np.log(shape / np.median(shape))) > np.log1p(SHAPE_APART)
    other_scale = np.abs(np.log(width / np.median(width))) > np.log(SCALE_APART)
    odd = np.flatnonzero(other_shape | other_scale)
    sizes = Counter(f"{int(w)} x {int(h)}" for w, h in zip(width, height, strict=True))
    common, count = sizes.most_common(1)[0]
    if len(odd) and len(odd) <= (1 - USUAL) * len(width):
        rare = ", ".join(dict.fromkeys(f"{int(width[row])} x {int(height[row])}" for row in odd[:3]))
        yield Finding(
            "odd_page_size",
            "warn",
            f"{len(odd)} page(s) have another shape or scale than the rest ({rare} px; {common} on {count} pages).",
            "see whether they come from another device or paper; a device that goes with a label is a shortcut",
            audited.ids(rows[odd]),
        )
    elif len(odd):
        yield _mixed("mixed_page_sizes", f"Pages come in {len(sizes)} sizes, of very different shape or scale", common)


def _odd_layouts(audited: AuditInput, pages: AuditedPages) -> Iterator[Finding]:
    found = [(row, traits) for row, traits in pages.known if traits.grid is not None]
    if len(found) < 5:  # too few to call one of them odd
        return
    sides = [(traits.width, traits.height) * 2 for _, traits in found]
    place = np.array([traits.grid for _, traits in found], float) / np.array(sides, float)
    apart = np.abs(place - np.median(place, axis=0)).max(axis=1)
    odd = np.array([row for row, _ in found])[apart > PLACE_APART]
    if len(odd) and len(odd) <= (1 - USUAL) * len(found):
        yield Finding(
            "odd_page_layout",
            "warn",
            f"On {len(odd)} page(s) the grid lies elsewhere than on the rest (an edge off by more than "
            f"{PLACE_APART * 100:g} % of the side).",
            "see whether they are cropped or come from another device",
            audited.ids(odd),
        )
    elif len(odd):
        yield _mixed("mixed_page_layouts", f"On {len(odd)} of {len(found)} pages the grid lies elsewhere", "layout")


def _odd_formats(audited: AuditInput, pages: AuditedPages) -> Iterator[Finding]:
    kinds = [f"{traits.format}, {traits.mode}" for _, traits in pages.known]
    odd = _minority(kinds)
    if odd:
        common = Counter(kinds).most_common(1)[0][0]
        rare = ", ".join(dict.fromkeys(kinds[row] for row in odd))
        yield Finding(
            "odd_page_format",
            "note",
            f"{len(odd)} page(s) are stored in another way than the most common one ({rare}; most common {common}).",
            "see the shortcut probe of image files: a format must not go with a label",
            audited.ids([pages.known[place][0] for place in odd]),
        )


def _minority(kinds: Sequence[Hashable]) -> list[int]:
    """Places of those that are not of the most common kind."""
    common = Counter(kinds).most_common(1)[0][0]
    return [row for row, kind in enumerate(kinds) if kind != common]


def _mixed(code: str, text: str, common: str) -> Finding:
    return Finding(code, "note", f"{text} (most common: {common}).", "see the shortcut probe of image files")
