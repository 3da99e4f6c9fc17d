"""What a file asks of its decoder beyond the pixels that its header tells: tiles far larger than the page, endless scans."""

from __future__ import annotations

import re
import struct

import numpy as np
from PIL import ImageFile

from cardiograph.errors import Issue

MAX_SCANS = 100
"""Scans of one JPEG; progressive ones have about 10, and each goes over the whole picture."""


MAX_PICTURES = 100
"""Pages of a TIFF that are counted; a hostile file has millions."""


def count_pictures(image: ImageFile.ImageFile, content: bytes) -> int:
    """Pages of a TIFF or frames of an animation, at most ``MAX_PICTURES``.

    Raises:
        struct.error: The chain of directories of a TIFF is damaged.

    Source:
        TIFF 6.0, section 2; BigTIFF.
    """
    if image.format != "TIFF":
        return min(MAX_PICTURES, int(getattr(image, "n_frames", 1)))
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
    """Whether the tiles of a TIFF are of a size with the page; a strip can't be larger than the page.

    Raises:
        ValueError, LookupError, struct.error: The directory is damaged, or can be read in two ways.

    Source:
        TIFF 6.0, sections 2 and 15 (tags 322 and 323); BigTIFF.
    """
    tags = _tags(content)
    if len(set(tags)) < len(tags):
        message = "a tag is there twice"  # Pillow goes by the last one, libtiff by the first
        raise ValueError(message)
    if 322 not in tags and 323 not in tags:
        return None
    found = getattr(image, "tag_v2")  # noqa: B009 - of TIFF files only
    sides = int(found[322]), int(found[323])
    across, down = (-(-length // side) for length, side in zip(image.size, sides, strict=True))
    tile = sides[0] * sides[1]
    if tile <= max_pixels and tile * across * down <= 4 * max_pixels:  # 4: tiles that stick out at two edges
        return None
    value, rule = f"tiles of {sides[0]} x {sides[1]} px", f"at most {max_pixels:,} pixels are decoded"
    return Issue(where, "", value, rule, "save it without tiles", "too_many_pixels")


def check_scans(image: ImageFile.ImageFile, content: bytes, where: str) -> Issue | None:
    """Whether a JPEG, or each of those in a TIFF, has few enough scans.

    Raises:
        ValueError, TypeError: The directory of a TIFF is damaged.

    Source:
        ITU-T T.81, B.1.1.5: within the data of a scan, a byte FF is followed by 00 or a restart marker.
    """
    places = [found.start() for found in re.finditer(rb"\xff\xda", content)]
    scans = len(places)
    if image.format == "TIFF" and scans > MAX_SCANS:
        scans = _most_in_a_part(image, places, len(content))
    if scans <= MAX_SCANS:
        return None
    rule = f"a JPEG has at most {MAX_SCANS} scans"
    return Issue(where, "", f"{scans:,} scans", rule, "save it as PNG", "too_many_scans")


def _most_in_a_part(image: ImageFile.ImageFile, places: list[int], size: int) -> int:
    """Most scans in any strip or tile of a TIFF, which may lie over one another."""
    tags, kind = getattr(image, "tag_v2"), image.info.get("compression")  # noqa: B009 - of TIFF files only
    if kind == "tiff_jpeg":  # of the old kind: one stream for all strips
        return len(places)
    if kind != "jpeg":
        return 0
    (starts,) = (np.ravel(tags[tag]).astype(float) for tag in (273, 324) if tag in tags)
    (sizes,) = (np.ravel(tags[tag]).astype(float) for tag in (279, 325) if tag in tags)
    ends = np.where(sizes > 0, starts + sizes, size)
    return int(np.max(np.searchsorted(places, ends) - np.searchsorted(places, starts)))


def _tags(content: bytes) -> list[int]:
    """Tags of the first directory of a TIFF, as they are written."""
    order, big = _byte_order(content)
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), content, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), content, at)
    first, step = (at + 8, 20) if big else (at + 2, 12)
    return [struct.unpack_from(order + "H", content, first + step * number)[0] for number in range(count)]


def _byte_order(content: bytes) -> tuple[str, bool]:
    """Byte order of a TIFF as ``struct`` writes it, and whether it is a BigTIFF."""
    return "<" if content.startswith(b"II") else ">", b"+" in content[2:4]
