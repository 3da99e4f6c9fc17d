"""The entry point of all readers: find the format of a file and read it."""

from __future__ import annotations

from pathlib import Path

from cardiograph.ecg.ecg import Ecg
from cardiograph.ecg.readers.registry import READERS
from cardiograph.ecg.readers.source import MAX_FILE_BYTES, EcgSource, ReadOptions
from cardiograph.registry import load_factory
from cardiograph.regular_files import open_regular

HEAD_BYTES = 16_384
"""Number of bytes in which a signature is searched."""


def find_format(source: EcgSource) -> str | None:
    """Return the name of the format by the content of the file, else by its suffix; None if no reader fits."""
    head = source.content[:HEAD_BYTES]
    text = head.replace(b"\0", b"")  # XML in UTF-16
    for name, spec in READERS.items():
        if spec.signature is not None and (spec.signature.search(head) or spec.signature.search(text)):
            return name
    fitting = [name for name, spec in READERS.items() if source.suffix in spec.suffixes]
    return fitting[0] if len(fitting) == 1 else None  # .xml alone says nothing


def open_source(source: Path | str | bytes, *, name: str = "", options: ReadOptions | None = None) -> EcgSource:
    """Read the content of a file and check the options.

    Args:
        source: Path of a file, or its bytes.
        name: Name in messages; by default the path.
        options: Facts about the file that its format does not state.

    Raises:
        EcgError: If the file is missing, empty or too large, or an option is out of range.
    """
    path = None if isinstance(source, bytes) else Path(source)
    opened = EcgSource(b"", name or str(path or "upload"), path, options or ReadOptions())
    for option, value, rule in opened.options.faults():
        opened.refuse("option", rule, "correct the option", value=f"read with {option} = {value}; this")
    if path is None:
        content = bytes(source)  # type: ignore[arg-type]
    else:
        try:
            with open_regular(path) as handle:
                size = handle.seek(0, 2)  # a read of more than there is takes the memory for it
                handle.seek(0)
                content = handle.read(min(size, MAX_FILE_BYTES + 1))
        except OSError as error:
            opened.refuse("missing", f"it cannot be opened: {error.strerror}", "correct the path")
    if not content:
        opened.refuse("empty", "it has 0 bytes", "copy it again")
    if len(content) > MAX_FILE_BYTES:
        opened.refuse(
            "too_large", f"at most {MAX_FILE_BYTES // 2**20} MiB are read", "cut the part that matters out of it"
        )
    return EcgSource(content, opened.name, path, opened.options)


def read_ecg(
    source: Path | str | bytes, *, name: str = "", file_format: str | None = None, options: ReadOptions | None = None
) -> Ecg:
    """Read an ECG file of any known format.

    Args:
        source: Path of a file, or its bytes.
        name: Name in messages; by default the path. Its suffix counts where the content does not tell the format.
        file_format: Name of the format; by default found from the content and the suffix.
        options: Facts about the file that its format does not state.

    Raises:
        EcgError: If the file cannot be read as at least one lead; the message says why and what to do.
        ValueError: If no format is called ``file_format``.
    """
    if file_format is not None and file_format not in READERS:
        message = f"no ECG format is called {file_format!r}; the formats are {', '.join(READERS)}"
        raise ValueError(message)
    opened = open_source(source, name=name, options=options)
    known = file_format or find_format(opened)
    if known is None:
        titles = ", ".join(spec.title for spec in READERS.values())
        opened.refuse(
            "unknown_format", f"it is none of {titles}", "export it in one of these formats, or name its format"
        )
    spec = READERS[known]
    try:
        reader = load_factory(spec.factory)
        ecg: Ecg = reader(opened)
    except ModuleNotFoundError as error:
        if not spec.extra:
            raise
        opened.refuse(
            "package_missing",
            f"{spec.title} files need the package {error.name}",
            f"install it: pip install 'cardiograph[{spec.extra}]'",
        )
    return ecg


__all__ = ["find_format", "open_source", "read_ecg"]
