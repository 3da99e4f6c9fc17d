"""Files and different images, in all and by class."""

from __future__ import annotations

from typing import Any

from cardiograph.audit.subject import Subject
from cardiograph.schema import UNLABELLED


def class_names(subject: Subject) -> list[str]:
    """[records] the label as the user wrote it; ``unlabelled`` where there is none."""
    names = zip(subject.cohort.table["class_name"], subject.cohort.labels, strict=True)
    return ["unlabelled" if label == UNLABELLED else str(name) for name, label in names]


def count_files(subject: Subject) -> tuple[int, int, dict[str, dict[str, int]]]:
    """Records with a page, different pages among them, and both by class (with its records)."""
    pages = subject.pages
    hashes = [None] * len(subject.cohort) if pages is None else list(pages.pixel_hashes)
    members: dict[str, list[Any]] = {}
    for name, page in zip(class_names(subject), hashes, strict=True):
        members.setdefault(name, []).append(page)

    def counted(found: list[Any]) -> dict[str, int]:
        files = [page for page in found if page is not None]
        return {"files": len(files), "different": len(set(files)), "records": len(found)}

    whole = counted(hashes)
    return whole["files"], whole["different"], {name: counted(found) for name, found in members.items()}
