"""What a file asks of its decoder beyond the pixels that its header tells: tiles far larger than the page."""

from __future__ import annotations

import struct

from PIL import ImageFile

from cardiograph.errors import Issue


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


def _tags(content: bytes) -> list[int]:
    """Tags of the first directory of a TIFF, as they are written."""
    order = "<" if content.startswith(b"II") else ">"
    big = b"+" in content[2:4]
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), content, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), content, at)
    first, step = (at + 8, 20) if big else (at + 2, 12)
    return [struct.unpack_from(order + "H", content, first + step * number)[0] for number in range(count)]
