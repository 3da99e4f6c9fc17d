"""Decode a page: any of five formats and many modes in, 8-bit RGB on white paper, upright, out; or one named fault."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    Image,
    ImageChops,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from cardiograph.errors import Issue, PageError
from cardiograph.imaging import quality
from cardiograph.imaging.damage import require_whole
from cardiograph.regular_files import NOT_A_FILE, read_regular

FORMATS: dict[str, tuple[tuple[bytes, ...], Callable[[io.BytesIO], ImageFile.ImageFile]]] = {
    "JPEG": ((b"\xff\xd8\xff",), JpegImagePlugin.JpegImageFile),
    "PNG": ((b"\x89PNG\r\n\x1a\n",), PngImagePlugin.PngImageFile),
    "TIFF": ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), TiffImagePlugin.TiffImageFile),
    "BMP": ((b"BM",), BmpImagePlugin.BmpImageFile),
    "WEBP": ((b"RIFF",), WebPImagePlugin.WebPImageFile),
}
"""First bytes and decoder of each format. Decoders are called by name, not through ``Image.open``: nothing else is tried,
and the only limit on the pixel count is ours (Pillow's own warns through a global filter, which threads can't share)."""

OTHER_FORMATS = (
    (0, b"GIF8", "GIF"),
    (0, b"%PDF", "PDF"),
    (0, b"8BPS", "Photoshop"),
    (0, b"%!PS", "PostScript"),
    (0, b"\0\0\1\0", "ICO"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"ftyp", "HEIC, AVIF or video"),
    (128, b"DICM", "DICOM"),
)
"""Offset, bytes and name of pictures and documents that a user may take for a page; told by name in the error."""

DECODER_FAULTS = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError),
    *(SyntaxError, TypeError, ValueError, struct.error, zlib.error, Warning),
)
"""What decoders are known to raise on damaged bytes; ``AssertionError`` stays out: it would be a fault of ours."""


@dataclass(frozen=True)
class DecodedPage:
    """A decoded page.

    Args:
        pixels: [h, w, 3] RGB, upright (EXIF orientation applied), transparency laid on white.
        file_sha256: Of the file's bytes, hex.
        format: ``JPEG``, ``PNG``, ``TIFF``, ``BMP`` or ``WEBP``.
        mode: Pillow's name of the mode that the file is stored in, such as ``RGB``, ``I;16`` or ``CMYK``.
        width: Width of ``pixels``.
        height: Height of ``pixels``.
        file_bytes: Size of the file.
        quantisation: Mean of the luminance table of a JPEG, the larger the coarser; None for other formats.
        pictures: Pages or frames in the file, the first of which was read; counted up to ``quality.MAX_PICTURES``.
    """

    pixels: NDArray[np.uint8]
    file_sha256: str
    format: str
    mode: str
    width: int
    height: int
    file_bytes: int
    quantisation: float | None
    pictures: int = 1


def read_page(source: Path | bytes, *, name: str, max_pixels: int = 100_000_000) -> DecodedPage:
    """Read and check one page.

    Args:
        source: A file, or its bytes.
        name: What the page is called in errors.
        max_pixels: Larger pages are refused from their header, before anything is decoded.

    Returns:
        The page; of a TIFF with several pages or an animation, the first.

    Raises:
        PageError: With one issue, whose code is ``missing``, ``empty``, ``not_an_image``, ``unsupported_format``,
            ``truncated``, ``too_many_pixels``, ``too_many_scans``, ``too_small`` or ``blank``. Nothing else is raised,
            whatever the bytes.
    """
    where = f"page {name}"
    content = source if isinstance(source, bytes) else _read_file(source, where)
    kind = _format(content, where)
    try:
        image = FORMATS[kind][1](io.BytesIO(content))
        _refuse(quality.check_pixel_count(where, *image.size, max_pixels))
        _refuse(quality.check_size(where, *image.size))
        if kind == "TIFF":
            _refuse(quality.check_tiles(image, content, where, max_pixels))
        if kind in ("JPEG", "TIFF"):
            _refuse(quality.check_scans(image, content, where))
        mode = image.mode
        tables, pictures = getattr(image, "quantization", None), quality.count_pictures(image, content)
        image.load()
        require_whole(kind, content)
        pixels = np.asarray(_rgb(image))
    except Image.DecompressionBombError as error:
        raise _unpack_error(where, max_pixels) from error
    except _UnsupportedError as error:
        issue = Issue(where, "", str(error), "this kind of picture is not read", "save it as 8-bit PNG", _UNSUPPORTED)
        raise PageError(_HEADLINE, [issue]) from error
    except DECODER_FAULTS as error:
        raise PageError(_HEADLINE, [_damaged(where, kind)]) from error
    _refuse(quality.check_blank(where, pixels))
    height, width = pixels.shape[:2]
    coarseness = float(np.mean(next(iter(tables.values())))) if tables else None
    digest = hashlib.sha256(content).hexdigest()
    return DecodedPage(pixels, digest, kind, mode, width, height, len(content), coarseness, pictures)


def page_bytes(path: Path) -> bytes:
    """The content of a file that begins as a page does, not decoded.

    Raises:
        PageError: ``missing``, ``empty``, ``not_an_image`` or ``unsupported_format``.
    """
    where = f"page {path.name}"
    content = _read_file(path, where)
    _format(content, where)
    return content


_HEADLINE = "A page cannot be used."
_UNSUPPORTED = "unsupported_format"
_ALLOWED = "pages are JPEG, PNG, TIFF, BMP or WebP"


class _UnsupportedError(Exception):
    """A picture that is whole, but whose pixels have no meaning that we could rely on."""


def _refuse(issue: Issue | None) -> None:
    if issue is not None:
        raise PageError(_HEADLINE, [issue])


def _damaged(where: str, kind: str) -> Issue:
    rule = f"a {kind} file ends where its header says, and its data decode without a warning"
    return Issue(where, "", f"cut short or damaged ({kind})", rule, "copy or export it again", "truncated")


def _unpack_error(where: str, max_pixels: int) -> PageError:
    rule = f"at most {max_pixels:,} pixels are decoded"
    return PageError(_HEADLINE, [Issue(where, "", "too large", rule, "scale the page down", "too_many_pixels")])


def _read_file(path: Path, where: str) -> bytes:
    remedy = "check the path; in a table, relative paths start at the table's folder"
    try:
        return read_regular(path)
    except FileNotFoundError:
        value = "not there"
    except OSError as error:
        value = NOT_A_FILE if error.strerror == NOT_A_FILE else f"not readable ({error.strerror or error})"
    raise PageError(_HEADLINE, [Issue(where, "", value, "a page is a file that can be read", remedy, "missing")])


def _format(content: bytes, where: str) -> str:
    if not content:
        rule = "a page holds a picture"
        _refuse(Issue(where, "", "empty (0 bytes)", rule, "copy or export the file again", "empty"))
    for kind, (starts, _) in FORMATS.items():
        if content.startswith(starts) and (kind != "WEBP" or content[8:12] == b"WEBP"):
            return kind
    for offset, mark, title in OTHER_FORMATS:
        if content[offset : offset + len(mark)] == mark:
            _refuse(Issue(where, "", f"a {title} file", _ALLOWED, "save it as PNG", _UNSUPPORTED))
    first = content[:8].hex(" ")
    remedy = "check that the file is a picture; its name does not count"
    raise PageError(
        _HEADLINE, [Issue(where, "", f"not an image (starts with {first})", _ALLOWED, remedy, "not_an_image")]
    )


def _rgb(image: Image.Image) -> Image.Image:
    """Upright 8-bit RGB on white. The order matters: transparency and polarity belong to the stored mode."""
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(_eight_bits(image))
    elif image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        image = ImageChops.invert(image)  # Pillow takes every CMYK JPEG for an Adobe one, which is stored inverted
    ImageOps.exif_transpose(image, in_place=True)  # without orientation nothing is copied
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        layers = image.convert("RGBA")
        paper = Image.new("RGBA", layers.size, "white")
        return Image.alpha_composite(paper, layers).convert("RGB")
    if image.mode in ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr"):
        return image if image.mode == "RGB" else image.convert("RGB")
    message = f"in {image.mode} colours"
    raise _UnsupportedError(message)


def _eight_bits(image: Image.Image) -> NDArray[np.uint8]:
    """Grey of more than 8 bits by its nominal range; never stretched to what one page happens to hold.

    16-bit grey: 0..65535, as both TIFF and PNG define it. 32-bit integers: the same, since scanners and older software
    widen 16-bit grey so; more is refused. Floating point: 0..1, or 0..255 where a value exceeds 1; more is refused.
    """
    values = np.asarray(image)
    if image.mode == "F":
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 255):
            message = f"floating point from {low:g} to {high:g} (read: 0..1 or 0..255)"
            raise _UnsupportedError(message)
        levels = values * (255.0 if high <= 1 else 1.0)
    else:
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 65535:
            message = f"32-bit grey from {low} to {high} (read: 0..65535)"
            raise _UnsupportedError(message)
        levels = values / 257.0
    white_is_zero = image.format == "TIFF" and getattr(image, "tag_v2", {}).get(262) == 0
    if white_is_zero:
        levels = 255.0 - levels
    return np.round(levels).astype(np.uint8)
