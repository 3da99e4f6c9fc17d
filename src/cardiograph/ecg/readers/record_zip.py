"""A WFDB record as one file: a .zip of its header and its files of samples, in which a record is sent and kept."""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from cardiograph.ecg.readers.source import EcgSource

SIGNATURE = b"PK\x03\x04"

RECORD_SUFFIXES = (".hea", ".dat", ".mat")
"""Suffixes of the files of a record."""

MAX_FILES = 64
MAX_UNPACKED_BYTES = 64 * 2**20
"""Largest record that is unpacked, far above ten seconds; a small .zip can hold any amount of zeros."""

MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - the files of a record get a folder of their own in it
"""Where Linux keeps files in memory; elsewhere the folder for temporary files is used."""

_FILE = re.compile(r"[-\w]{1,100}(\.\w{1,20})?")
_SPARE = ("__MACOSX/",)
_FIRST = (1980, 1, 1, 0, 0, 0)


def one_content(files: Sequence[tuple[str, bytes]]) -> bytes:
    """Return the files of one ECG as one: the file itself, or a .zip of several and of one that is part of a record.

    Args:
        files: Name and content of each file.
    """
    (name, content), *others = files
    if not others and PurePosixPath(name).suffix.lower() not in RECORD_SUFFIXES:
        return content
    return pack_record(files)


def pack_record(files: Sequence[tuple[str, bytes]]) -> bytes:
    """Return a .zip of files; the same files give the same bytes in any order."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted((PurePosixPath(name).name[-200:], content) for name, content in files):
            archive.writestr(zipfile.ZipInfo(name or "unnamed", _FIRST), content)
    return packed.getvalue()


def without_names(files: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Return the files of a record under neutral names, which their headers use too, and without header comments."""
    stems = sorted({PurePosixPath(name).stem.encode() for name, _ in files})
    neutral = {stem: b"record%d" % number for number, stem in enumerate(stems)}

    def header(content: bytes) -> bytes:
        lines = [line for line in map(bytes.strip, content.splitlines()) if line and not line.startswith(b"#")]
        first = re.sub(rb"\A[^\s/]+", b"record", b"".join(lines[:1]))
        others = [re.sub(rb"\A[^.\s]+", lambda found: neutral.get(found[0], found[0]), line) for line in lines[1:]]
        return b"\n".join([first, *others, b""])

    result = []
    for name, content in files:
        path = PurePosixPath(name)
        suffix = path.suffix.lower()
        new = neutral[path.stem.encode()].decode() + suffix
        result.append((new, header(content) if suffix == ".hea" else content))
    return result


@contextmanager
def unpacked_record(source: EcgSource, belonging: Callable[[Path], Sequence[Path]]) -> Iterator[Path]:
    """Unpack a .zip into a folder that exists as long as the context, and yield the path of the header.

    Args:
        source: The .zip.
        belonging: Returns the files of a record from its header.

    Raises:
        EcgError: If the .zip is damaged, unpacks to too much, or does not hold one record and nothing else.
    """
    contents = _contents(source)
    headers = [name for name in contents if name.lower().endswith(".hea")]
    if len(headers) != 1:
        found = ", ".join(sorted(contents)) or "no files"
        source.refuse(
            "needs_path",
            f"a WFDB record is one header (.hea) with its files of samples, and there are {len(headers)} headers",
            "give the header and its files of samples together, and no other record",
            value=found,
        )
    memory = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="cardiograph-", dir=memory) as folder:
        for name, content in contents.items():
            (Path(folder) / name).write_bytes(content)
        header = Path(folder) / headers[0]
        known = {path.name for path in belonging(header)}
        strangers = [name for name in contents if name not in known and Path(name).stem != header.stem]
        if strangers:
            source.refuse(
                "contradiction",
                f"the header {header.name} does not name {', '.join(sorted(strangers))}",
                "give the files of one record only",
            )
        yield header


def _contents(source: EcgSource) -> dict[str, bytes]:
    """Return name -> content of the files, which lie in one folder of the .zip."""
    with source.reading("zipfile"), zipfile.ZipFile(io.BytesIO(source.content)) as archive:
        members = [each for each in archive.infolist() if not (each.is_dir() or each.filename.startswith(_SPARE))]
        if len(members) > MAX_FILES or sum(each.file_size for each in members) > MAX_UNPACKED_BYTES:
            source.refuse(
                "too_large",
                f"of a .zip at most {MAX_FILES} files and {MAX_UNPACKED_BYTES // 2**20} MiB are unpacked",
                "give one record of a few minutes",
            )
        paths = [PurePosixPath(each.filename) for each in members]
        names = [path.name for path in paths]
        if (
            len({*names}) < len(names)
            or len({path.parent for path in paths}) > 1
            or not all(map(_FILE.fullmatch, names))
        ):
            source.refuse(
                "contradiction",
                "the files of a record lie in one folder and have different names of letters, digits, _ and -",
                "rename the record, or give the files of one record only",
            )
        return {name: archive.read(each) for name, each in zip(names, members, strict=True)}
