"""Read pages: decode an image file to upright 8-bit RGB on white, or raise an error with one issue.

:func:`read_page` is the entry point; everything that reads a page goes through it. Each format is one entry of
:data:`FORMATS`. To add an image format, add a :class:`PageFormat` there: its signature, its decoder, and, where the
decoder accepts damaged or malicious files, checks in :mod:`cardiograph.imaging.quality`. File suffixes, media types and
messages derive from the registry.
"""

from __future__ import annotations

import hashlib
import io
import re
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
from cardiograph.regular_files import NOT_A_FILE, read_regular

HeaderCheck = Callable[[ImageFile.ImageFile, bytes, str, int], Issue | None]
"""Check before decoding: (image with only its header read, content, name in errors, maximum pixels) -> issue or
None."""


@dataclass(frozen=True)
class PageFormat:
    """An image format in which pages are read.

    Args:
        title: Name of the format in messages.
        signature: Pattern that matches the first bytes of a file of this format.
        decoder: Opens a file and reads its header; the pixels are decoded later.
        suffixes: Usual file suffixes, in lower case with the dot; only listings of folders use them.
        media_type: Media type of the format in HTTP.
        header_checks: Checks before decoding, for what would exhaust memory or time.
        content_check: Raises one of :data:`DECODER_FAULTS` if the content is damaged in a way that the decoder ignores.
        count_pictures: Number of images in the file: (image, content) -> count.
    """

    title: str
    signature: re.Pattern[bytes]
    decoder: Callable[[io.BytesIO], ImageFile.ImageFile]
    suffixes: tuple[str, ...]
    media_type: str
    header_checks: tuple[HeaderCheck, ...] = ()
    content_check: Callable[[bytes], None] = lambda content: None
    count_pictures: Callable[[ImageFile.ImageFile, bytes], int] = quality.count_frames


FORMATS = {
    "JPEG": PageFormat(
        "JPEG",
        re.compile(rb"\xff\xd8\xff"),
        JpegImagePlugin.JpegImageFile,
        (".jpg", ".jpeg"),
        "image/jpeg",
        (quality.check_scans,),
        quality.check_jpeg,
    ),
    "PNG": PageFormat(
        "PNG",
        re.compile(rb"\x89PNG\r\n\x1a\n"),
        PngImagePlugin.PngImageFile,
        (".png",),
        "image/png",
        content_check=quality.check_png,
    ),
    "TIFF": PageFormat(
        "TIFF",
        re.compile(rb"II[*+]\0|MM\0[*+]"),
        TiffImagePlugin.TiffImageFile,
        (".tif", ".tiff"),
        "image/tiff",
        (quality.check_tiles, quality.check_scans),
        count_pictures=quality.count_tiff_images,
    ),
    "BMP": PageFormat(
        "BMP",
        re.compile(rb"BM"),
        BmpImagePlugin.BmpImageFile,
        (".bmp",),
        "image/bmp",
        content_check=quality.check_bmp,
    ),
    "WEBP": PageFormat(
        "WebP",
        re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
        WebPImagePlugin.WebPImageFile,
        (".webp",),
        "image/webp",
    ),
}
"""Registry of image formats by Pillow's name.

Decoders are called directly instead of through ``Image.open``, so that no other format is tried and the only limit on
pixels is ``max_pixels`` (Pillow's own limit warns through a global filter, which is not safe with threads).
"""

_TITLES = [page_format.title for page_format in FORMATS.values()]
FORMAT_TITLES = f"{', '.join(_TITLES[:-1])} or {_TITLES[-1]}"
"""Names of the formats in a sentence."""

PAGE_SUFFIXES = frozenset(suffix for page_format in FORMATS.values() for suffix in page_format.suffixes)
"""File suffixes of pages in lower case, by which a folder is searched for pages."""

PAGE_MEDIA_TYPES = ", ".join(page_format.media_type for page_format in FORMATS.values())
"""Media types of pages, separated by commas."""

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
"""Offset, bytes and name of other images and documents that a user may pass as a page; the error names them."""

DECODER_FAULTS = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError),
    *(SyntaxError, TypeError, ValueError, struct.error, zlib.error, Warning),
)
"""Exceptions that decoders raise on damaged bytes; not ``AssertionError``, which would be a bug in this package."""


@dataclass(frozen=True)
class DecodedPage:
    """A decoded page.

    Args:
        pixels: [h, w, 3] uint8 RGB, upright (EXIF orientation applied), transparent parts on white.
        file_sha256: SHA-256 (hex) of the file.
        format: Key of :data:`FORMATS`, ``PDF`` for a rendered page, or the title of a format of signals.
        mode: Pixel mode of the file as Pillow names it, such as ``RGB``, ``I;16`` or ``CMYK``.
        width: Width of ``pixels`` in pixels.
        height: Height of ``pixels`` in pixels.
        file_bytes: Size of the file in bytes.
        quantisation: Mean of the first quantisation table of a JPEG (larger is coarser); None for other formats.
        pictures: Number of images in the file (pages or frames), counted up to ``quality.MAX_PICTURES``; the first is
            read.
        drawn: Whether the page was drawn from a file of signals, which :mod:`cardiograph.ecg.pages` reads.
        notes: Sentences about how the page was drawn or rendered that its users must know.
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
    drawn: bool = False
    notes: tuple[str, ...] = ()


def read_page(source: Path | bytes, *, name: str, max_pixels: int = 100_000_000) -> DecodedPage:
    """Read and check one page.

    Args:
        source: Path of a file, or its content.
        name: Name of the page in error messages.
        max_pixels: Maximum number of pixels; larger pages are refused from their header, before they are decoded.

    Returns:
        The page; the first image if the file holds several.

    Raises:
        PageError: If the page cannot be used, whatever the bytes are. It has one issue, whose code is ``missing``,
            ``empty``, ``not_an_image``, ``unsupported_format``, ``truncated``, ``too_many_pixels``, ``too_many_scans``,
            ``too_small`` or ``blank``.
    """
    where = f"page {name}"
    content = source if isinstance(source, bytes) else _read_file(source, where)
    kind = _detect_format(content, where)
    page_format = FORMATS[kind]
    try:
        image = page_format.decoder(io.BytesIO(content))
        _refuse(quality.check_pixel_count(where, *image.size, max_pixels))
        _refuse(quality.check_size(where, *image.size))
        for check in page_format.header_checks:
            _refuse(check(image, content, where, max_pixels))
        mode = image.mode
        tables, pictures = getattr(image, "quantization", None), page_format.count_pictures(image, content)
        image.load()
        page_format.content_check(content)
        pixels = np.asarray(_rgb(image))
    except Image.DecompressionBombError as error:
        raise _unpack_error(where, max_pixels) from error
    except _UnsupportedError as error:
        issue = Issue(where, "", str(error), "this pixel type is not supported", "save it as 8-bit PNG", _UNSUPPORTED)
        raise PageError(_HEADLINE, [issue]) from error
    except DECODER_FAULTS as error:
        raise PageError(_HEADLINE, [_damaged(where, kind)]) from error
    _refuse(quality.check_blank(where, pixels))
    height, width = pixels.shape[:2]
    coarseness = float(np.mean(next(iter(tables.values())))) if tables else None
    digest = hashlib.sha256(content).hexdigest()
    return DecodedPage(pixels, digest, kind, mode, width, height, len(content), coarseness, pictures)


def page_bytes(path: Path) -> bytes:
    """Return the content of a file that starts with the signature of a page format, without decoding it.

    Raises:
        PageError: If it does not; the code is ``missing``, ``empty``, ``not_an_image`` or ``unsupported_format``.
    """
    where = f"page {path.name}"
    content = _read_file(path, where)
    _detect_format(content, where)
    return content


_HEADLINE = "A page cannot be used."
_UNSUPPORTED = "unsupported_format"
_ALLOWED = f"pages are {FORMAT_TITLES}"


class _UnsupportedError(Exception):
    """An undamaged image whose pixel values have no defined meaning."""


def _refuse(issue: Issue | None) -> None:
    if issue is not None:
        raise PageError(_HEADLINE, [issue])


def _damaged(where: str, kind: str) -> Issue:
    rule = f"a {kind} file is complete, and its data decode without a warning"
    return Issue(where, "", f"cut short or damaged ({kind})", rule, "copy or export it again", "truncated")


def _unpack_error(where: str, max_pixels: int) -> PageError:
    rule = f"at most {max_pixels:,} pixels are decoded"
    return PageError(_HEADLINE, [Issue(where, "", "too large", rule, "scale the page down", "too_many_pixels")])


def _read_file(path: Path, where: str) -> bytes:
    remedy = "check the path; in a table, relative paths start at the table's folder"
    try:
        return read_regular(path)
    except FileNotFoundError:
        value = "not found"
    except OSError as error:
        value = NOT_A_FILE if error.strerror == NOT_A_FILE else f"not readable ({error.strerror or error})"
    raise PageError(_HEADLINE, [Issue(where, "", value, "a page is a file that can be read", remedy, "missing")])


def _detect_format(content: bytes, where: str) -> str:
    if not content:
        rule = "a page contains an image"
        _refuse(Issue(where, "", "empty (0 bytes)", rule, "copy or export the file again", "empty"))
    for kind, page_format in FORMATS.items():
        if page_format.signature.match(content):
            return kind
    for offset, mark, title in OTHER_FORMATS:
        if content[offset : offset + len(mark)] == mark:
            _refuse(Issue(where, "", f"a {title} file", _ALLOWED, "save it as PNG", _UNSUPPORTED))
    first = content[:8].hex(" ")
    remedy = "check that the file is an image; its name does not matter"
    raise PageError(
        _HEADLINE, [Issue(where, "", f"not an image (starts with {first})", _ALLOWED, remedy, "not_an_image")]
    )


def _rgb(image: Image.Image) -> Image.Image:
    """Convert to upright 8-bit RGB on white. The order matters: polarity and transparency refer to the stored mode."""
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(_eight_bits(image))
    elif image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        image = ImageChops.invert(image)  # Pillow treats every CMYK JPEG as an Adobe one, which is stored inverted
    ImageOps.exif_transpose(image, in_place=True)  # copies nothing without an orientation tag
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        layers = image.convert("RGBA")
        paper = Image.new("RGBA", layers.size, "white")
        return Image.alpha_composite(paper, layers).convert("RGB")
    if image.mode in ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr"):
        return image if image.mode == "RGB" else image.convert("RGB")
    message = f"in {image.mode} colours"
    raise _UnsupportedError(message)


def _eight_bits(image: Image.Image) -> NDArray[np.uint8]:
    """Scale grey of more than 8 bits by its nominal range, never by the range of the values on one page.

    16-bit grey is 0..65535, as both TIFF and PNG define it. 32-bit integers have the same range, because scanners and
    older software widen 16-bit grey this way. Floating point is 0..1, or 0..255 if a value exceeds 1. Values outside
    the range are refused.
    """
    values = np.asarray(image)
    if image.mode == "F":
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 255):
            message = f"floating point from {low:g} to {high:g} (supported: 0..1 or 0..255)"
            raise _UnsupportedError(message)
        levels = values * (255.0 if high <= 1 else 1.0)
    else:
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 65535:
            message = f"32-bit grey from {low} to {high} (supported: 0..65535)"
            raise _UnsupportedError(message)
        levels = values / 257.0
    white_is_zero = image.format == "TIFF" and getattr(image, "tag_v2", {}).get(262) == 0
    if white_is_zero:
        levels = 255.0 - levels
    return np.round(levels).astype(np.uint8)
