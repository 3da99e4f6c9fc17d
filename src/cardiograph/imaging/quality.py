"""Checks that a file has to pass to be a page: size, content, and damage that Pillow ignores.

A failed check of size or content is an issue with a code; damage raises the error of a decoder.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile

from cardiograph.errors import Issue

MIN_SIDE = 100
"""Smallest width and height of a page in pixels (reference pipeline, stage 1)."""

MARK_CONTRAST = 64
"""Grey levels of 255 by which a pixel has to differ from the median of the page to count as a mark."""

SAMPLED_PIXELS = 200_000
"""Approximate number of evenly spaced pixels on which marks are counted; smaller pages are used whole."""

MIN_MARKS = 0.0005
"""Smallest share of marks on a page that is not blank; ``docs/concepts/pages.md`` lists the shares of real pages."""

_REDUCTION = 8
"""Factor by which a JPEG is reduced for its check: all of its data are still decoded, at half the cost."""


def check_pixel_count(where: str, width: int, height: int, max_pixels: int) -> Issue | None:
    """Check from the size in its header that a page is small enough to be decoded."""
    if width * height <= max_pixels:
        return None
    return Issue(
        where,
        "",
        f"{width} x {height} px",
        f"at most {max_pixels:,} pixels are decoded",
        "scale the page down; a run may allow more by pages.max_pixels in its settings",
        "too_many_pixels",
    )


def check_size(where: str, width: int, height: int) -> Issue | None:
    """Check that a page has at least 100 x 100 pixels."""
    if min(width, height) >= MIN_SIDE:
        return None
    return Issue(
        where,
        "",
        f"{width} x {height} px",
        f"a page has at least {MIN_SIDE} x {MIN_SIDE} pixels",
        "scan or export it at a higher resolution",
        "too_small",
    )


def share_of_marks(pixels: NDArray[np.uint8]) -> float:
    """Return the share of marks: pixels whose luminance differs clearly from the median of the page.

    Args:
        pixels: [h, w, 3] uint8 RGB.

    Returns:
        Share, 0..1. Pale grid lines are no marks, so that an empty sheet has nearly none.

    Source:
        Luminance weights of ITU-R BT.601.
    """
    step = max(1, int((pixels.shape[0] * pixels.shape[1] / SAMPLED_PIXELS) ** 0.5))
    luminance = np.asarray(pixels[::step, ::step] @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)
    return float(np.mean(np.abs(luminance - _median(luminance)) >= MARK_CONTRAST))


def _median(values: NDArray[np.float32]) -> np.float32:
    """Return ``np.median(values)``, with one partition instead of three."""
    middle = values.size // 2
    parted = np.partition(values, middle, axis=None)
    if values.size % 2:
        return np.float32(parted[middle])
    return np.float32(parted[:middle].max() + parted[middle]) / np.float32(2)


def check_blank(where: str, pixels: NDArray[np.uint8]) -> Issue | None:
    """Check that something is drawn on the page; an empty sheet, with or without pale grid lines, is blank."""
    share = share_of_marks(pixels)
    if share >= MIN_MARKS:
        return None
    return Issue(
        where,
        "",
        f"blank (brightest level {int(pixels.max())} of 255, {share:.3%} of the pixels stand out)",
        f"at least {MIN_MARKS:.2%} of the pixels differ from the page's median by {MARK_CONTRAST} levels",
        "check that the page shows a trace; a 12-bit scan stored in 16 bits must be exported in the full 16-bit range",
        "blank",
    )


MAX_SCANS = 100
"""Maximum number of scans of a JPEG; progressive files have about 10, and each scan decodes the whole image."""

MAX_PICTURES = 100
"""Number of images in a file up to which they are counted; a malicious TIFF has millions."""


def count_frames(image: ImageFile.ImageFile, content: bytes) -> int:
    """Return the number of frames of an animation, 1 for a still image, at most ``MAX_PICTURES``."""
    return min(MAX_PICTURES, int(getattr(image, "n_frames", 1)))


def count_tiff_images(image: ImageFile.ImageFile, content: bytes) -> int:
    """Return the number of images in a TIFF, at most ``MAX_PICTURES``.

    Raises:
        struct.error: If the chain of directories is damaged.

    Source:
        TIFF 6.0, section 2; BigTIFF.
    """
    order, big = _byte_order(content)
    number, count, entry = (order + "Q", order + "Q", 20) if big else (order + "I", order + "H", 12)
    (at,) = struct.unpack_from(number, content, 8 if big else 4)
    seen: set[int] = set()
    while at and at not in seen and len(seen) < MAX_PICTURES:
        seen.add(at)
        (entries,) = struct.unpack_from(count, content, at)
        (at,) = struct.unpack_from(number, content, at + struct.calcsize(count) + entry * entries)
    return len(seen)


def check_tiles(image: ImageFile.ImageFile, content: bytes, where: str, max_pixels: int) -> Issue | None:
    """Check that the tiles of a TIFF are not much larger than the page; strips never are.

    Raises:
        ValueError, LookupError, struct.error: If the directory is damaged or ambiguous.

    Source:
        TIFF 6.0, sections 2 and 15 (tags 322 and 323); BigTIFF.
    """
    tags = _tags(content)
    if len(set(tags)) < len(tags):
        message = "a tag occurs twice"  # Pillow uses the last one, libtiff the first
        raise ValueError(message)
    if 322 not in tags and 323 not in tags:
        return None
    found = getattr(image, "tag_v2")  # noqa: B009 - TIFF files only
    sides = int(found[322]), int(found[323])
    across, down = (-(-length // side) for length, side in zip(image.size, sides, strict=True))
    tile = sides[0] * sides[1]
    if tile <= max_pixels and tile * across * down <= 4 * max_pixels:  # 4: tiles may extend beyond two edges
        return None
    value, rule = f"tiles of {sides[0]} x {sides[1]} px", f"at most {max_pixels:,} pixels are decoded"
    return Issue(where, "", value, rule, "save it without tiles", "too_many_pixels")


def check_scans(image: ImageFile.ImageFile, content: bytes, where: str, max_pixels: int) -> Issue | None:
    """Check that a JPEG, or each JPEG in a TIFF, has at most ``MAX_SCANS`` scans; ``max_pixels`` is not used.

    Raises:
        ValueError, TypeError: If the directory of a TIFF is damaged.

    Source:
        ITU-T T.81, B.1.1.5: within the data of a scan, a byte FF is followed by 00 or a restart marker, never by DA.
    """
    places = [found.start() for found in re.finditer(rb"\xff\xda", content)]
    scans = len(places)
    if image.format == "TIFF" and scans > MAX_SCANS:
        scans = _max_scans_per_strip(image, places, len(content))
    if scans <= MAX_SCANS:
        return None
    rule = f"a JPEG has at most {MAX_SCANS} scans"
    return Issue(where, "", f"{scans:,} scans", rule, "save it as PNG", "too_many_scans")


def _max_scans_per_strip(image: ImageFile.ImageFile, places: list[int], size: int) -> int:
    """Return the largest number of scans in a strip or tile of a TIFF; strips may overlap."""
    tags, kind = getattr(image, "tag_v2"), image.info.get("compression")  # noqa: B009 - TIFF files only
    if kind == "tiff_jpeg":  # old-style JPEG: one stream for all strips
        return len(places)
    if kind != "jpeg":
        return 0
    (starts,) = (np.ravel(tags[tag]).astype(float) for tag in (273, 324) if tag in tags)
    (sizes,) = (np.ravel(tags[tag]).astype(float) for tag in (279, 325) if tag in tags)
    ends = np.where(sizes > 0, starts + sizes, size)
    return int(np.max(np.searchsorted(places, ends) - np.searchsorted(places, starts)))


def _tags(content: bytes) -> list[int]:
    """Return the tags of the first directory of a TIFF in the order of the file."""
    order, big = _byte_order(content)
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), content, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), content, at)
    first, step = (at + 8, 20) if big else (at + 2, 12)
    return [struct.unpack_from(order + "H", content, first + step * number)[0] for number in range(count)]


def _byte_order(content: bytes) -> tuple[str, bool]:
    """Return the byte order of a TIFF in the notation of ``struct``, and whether it is a BigTIFF."""
    return "<" if content.startswith(b"II") else ">", b"+" in content[2:4]


def check_jpeg(content: bytes) -> None:
    """Raise ``ValueError`` if libjpeg warns of damaged data, which Pillow decodes without an error."""
    import simplejpeg

    simplejpeg.decode_jpeg(content, "GRAY", min_height=1, min_width=1, min_factor=_REDUCTION, strict=True)


def check_png(content: bytes) -> None:
    """Raise ``ValueError``, ``struct.error`` or ``zlib.error`` if a PNG is damaged or lacks rows."""
    _check_png_sums(content)
    _check_png_rows(content)


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each PNG chunk, and the start and end of its data."""
    position = 8
    while position + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, position)
        yield name, position + 8, position + 8 + length
        position += length + 12


def _check_png_sums(content: bytes) -> None:
    """Raise ``ValueError`` if a critical chunk does not match its checksum.

    Source: PNG specification (W3C, third edition), 5.3; the names of critical chunks begin with a capital letter.
    """
    data = memoryview(content)
    for name, start, end in _chunks(content):
        if name[:1].isupper() and zlib.crc32(data[start - 4 : end]) != struct.unpack_from(">I", content, end)[0]:
            message = f"checksum of {name!r}"
            raise ValueError(message)


def _check_png_rows(content: bytes) -> None:
    """Raise ``ValueError`` if the image data of a PNG holds fewer rows than its header states.

    Pillow fills such rows with black. Source: PNG specification (W3C, third edition), 7.2 and 8.1 (passes of Adam7).
    """
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", content[16:29])
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    steps = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    expected = 0
    for left, top, across, down in steps if interlaced else [(0, 0, 1, 1)]:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        expected += rows * (1 + -(-columns * bits // 8)) if columns > 0 else 0
    found, unpack = 0, zlib.decompressobj()
    for name, start, end in _chunks(content):
        if name == b"IDAT":
            waiting = content[start:end]
            while waiting and found < expected:
                found += len(unpack.decompress(waiting, 1 << 20))  # in parts: a malicious file may unpack to gigabytes
                waiting = unpack.unconsumed_tail
    if found < expected:
        message = f"{found} of {expected} bytes of image data"
        raise ValueError(message)


def check_bmp(content: bytes) -> None:
    """Raise ``ValueError`` if an uncompressed BMP ends before its last row.

    Source: Microsoft, ``BITMAPINFOHEADER``; each row is padded to a multiple of four bytes.
    """
    (start,) = struct.unpack_from("<I", content, 10)
    size, width, height, _, bits, packing = struct.unpack_from("<IiiHHI", content, 14)
    if size < 40 or packing not in (0, 3):  # the oldest header, or run-length encoding: Pillow checks their end itself
        return
    if start + abs(height) * ((width * bits + 31) // 32 * 4) > len(content):
        message = "rows are missing"
        raise ValueError(message)
