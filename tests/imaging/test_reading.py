"""Pages as files: whole ones of every kind are read alike, damaged ones are named."""

import io
import re
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, PpmImagePlugin

from cardiograph.errors import PageError
from cardiograph.imaging.quality import check_jpeg, share_of_marks
from cardiograph.imaging.reading import FORMAT_TITLES, FORMATS, PAGE_MEDIA_TYPES, PAGE_SUFFIXES, PageFormat, read_page


def drawing(width=240, height=160):
    """A page with a trace, a red corner at the top left, and nothing symmetric about it."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    x = np.arange(10, width - 10)
    y = height / 2 + height / 4 * np.sin(x / 9.0) * (x / width)
    draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=(10, 10, 10), width=2)
    draw.rectangle((0, 0, 30, 20), fill=(200, 0, 0))
    return image


def encode(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def code(content, **options):
    with pytest.raises(PageError) as caught:
        read_page(content, name="p.jpg", **options)
    (issue,) = caught.value.issues
    assert issue.where == "page p.jpg"
    assert issue.rule
    assert issue.remedy
    return issue.code


WHOLE = {
    "JPEG": encode(drawing(), "JPEG", quality=95),
    "progressive": encode(drawing(), "JPEG", quality=95, progressive=True),
    "PNG": encode(drawing(), "PNG"),
    "TIFF": encode(drawing(), "TIFF"),
    "TIFF lzw": encode(drawing(), "TIFF", compression="tiff_lzw"),
    "BMP": encode(drawing(), "BMP"),
    "WEBP": encode(drawing(), "WEBP", lossless=True),
    "WEBP lossy": encode(drawing(), "WEBP", quality=95),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_every_format_gives_the_same_picture(kind):
    page = read_page(WHOLE[kind], name="p")
    assert (page.width, page.height) == (240, 160)
    assert page.format == kind.split()[0].replace("progressive", "JPEG")
    assert page.pixels.dtype == np.uint8
    difference = np.abs(page.pixels.astype(int) - np.asarray(drawing()).astype(int))
    assert difference.mean() < 3


def test_a_file_and_its_bytes_are_one_page(tmp_path):
    path = tmp_path / "p.png"
    path.write_bytes(WHOLE["PNG"])
    one, other = read_page(path, name="p"), read_page(WHOLE["PNG"], name="p")
    assert one.file_sha256 == other.file_sha256
    assert np.array_equal(one.pixels, other.pixels)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.95])
def test_a_cut_file_is_found(kind, share):
    content = WHOLE[kind]
    assert code(content[: int(len(content) * share)]) == "truncated"


@pytest.mark.parametrize("kind", WHOLE)
def test_bytes_cut_out_of_the_middle_are_found(kind):
    content = WHOLE[kind]
    places = np.linspace(0.3, 0.8, 12) * len(content)
    found = []
    for place in places.astype(int):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read_page(content[:place] + content[place + len(content) // 10 :], name="p")
            except PageError as error:
                found.append(error.issues[0].code)
    assert found == ["truncated"] * 12


def test_a_byte_changed_in_the_middle_of_a_png_is_found():
    for offset in range(400, len(WHOLE["PNG"]) - 100, 97):
        content = bytearray(WHOLE["PNG"])
        content[offset] ^= 1
        assert code(bytes(content)) == "truncated"


def test_a_bmp_whose_last_row_is_not_whole_is_found():
    content = encode(drawing(241, 160), "BMP")  # 723 bytes of pixels in rows of 724
    assert code(content[:3000] + content[3001:]) == "truncated"
    assert read_page(content, name="p").width == 241


def test_every_real_jpeg_is_whole(shared):
    files = [*(shared / "data" / "ecg-pages" / "images").glob("*.jpg")][::12]
    files += (shared / "data" / "pages-photographed").glob("*.jp*g")
    for file in files:
        check_jpeg(file.read_bytes())
    assert len(files) > 40


def test_a_png_with_missing_rows_is_found():
    width, height, rows = 200, 150, 100
    raw = b"".join(b"\0" + bytes(np.asarray(drawing(width, height))[row].tobytes()) for row in range(rows))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b"")]
    assert code(b"\x89PNG\r\n\x1a\n" + b"".join(parts)) == "truncated"


def test_an_interlaced_png_is_whole():
    # Pillow does not write interlaced files: seven passes by hand (PNG specification, 8.2)
    pixels = np.asarray(drawing(120, 101).convert("L"))
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b"".join(
        b"\0" + row.tobytes() for left, top, across, down in passes for row in pixels[top::down, left::across]
    )

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 120, 101, 8, 0, 0, 0, 1))
    whole = start + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    assert np.array_equal(read_page(whole, name="p").pixels[..., 0], pixels)
    assert code(start + chunk(b"IDAT", zlib.compress(raw[:-121])) + chunk(b"IEND", b"")) == "truncated"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"PK\x03\x04" + bytes(200), "not_an_image"),
        (b"patient_id,label\n1,0\n", "not_an_image"),
        (encode(drawing(), "GIF"), "unsupported_format"),
        (b"%PDF-1.7 ...", "unsupported_format"),
        (bytes(128) + b"DICM" + bytes(40), "unsupported_format"),
        (encode(drawing(240, 99), "PNG"), "too_small"),
        (encode(drawing(99, 100), "JPEG"), "too_small"),
        (encode(Image.new("RGB", (300, 200), (250, 240, 230)), "JPEG"), "blank"),
        (b"\xff\xd8\xff\xe0", "truncated"),
    ],
)
def test_unusable_files_are_named(content, expected):
    assert code(content) == expected


def test_the_smallest_page_is_read():
    assert read_page(encode(drawing(100, 100), "PNG"), name="p").pixels.shape == (100, 100, 3)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    assert code(tmp_path / "nowhere.jpg") == "missing"
    assert code(tmp_path) == "missing"


def test_pixels_are_counted_before_anything_is_decoded():
    content = bytearray(WHOLE["PNG"])
    content[16:24] = struct.pack(">II", 60_000, 60_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert code(bytes(content)) == "too_many_pixels"
        assert code(WHOLE["JPEG"], max_pixels=240 * 160 - 1) == "too_many_pixels"
    assert read_page(WHOLE["JPEG"], name="p", max_pixels=240 * 160).width == 240


def tiff(tags, data):
    """A TIFF of 300 x 200 grey pixels with deflated tiles or strips, all in one place."""
    written = {256: 300, 257: 200, 258: 8, 259: 8, 262: 1, 277: 1} | dict(tags)
    end = 8 + 2 + 12 * len(written) + 4
    entries = [(tag, end if value is None else value) for tag, value in sorted(written.items())]
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4) + data


def tiled(width, height):
    pixels = np.full((height, width), 255, np.uint8)
    pixels[20:60, 20:60] = 0
    data = zlib.compress(pixels.tobytes())
    return tiff({322: width, 323: height, 324: None, 325: len(data)}, data)


def test_tiles_are_not_much_larger_than_the_page():
    assert read_page(tiled(304, 208), name="p", max_pixels=70_000).width == 300
    assert code(tiled(304, 256), max_pixels=70_000) == "too_many_pixels"
    thin = tiff({322: 60_000, 323: 1, 324: None, 325: 1}, b"x")  # 200 of them
    assert code(thin, max_pixels=70_000) == "too_many_pixels"


def test_a_tag_that_is_there_twice_is_damage():
    content = bytearray(tiled(304, 208))
    content[10:22] = struct.pack("<HHII", 322, 4, 1, 60_000)
    assert code(bytes(content)) == "truncated"


def test_a_strip_is_no_longer_than_the_page():
    data = zlib.compress(np.asarray(drawing(300, 200).convert("L")).tobytes())
    page = read_page(tiff({273: None, 278: 2**31 - 1, 279: len(data)}, data), name="p", max_pixels=60_000)
    assert np.array_equal(page.pixels[..., 0], np.asarray(drawing(300, 200).convert("L")))


def scans(count):
    """A progressive JPEG whose last scan is there ``count`` times more."""
    content = encode(drawing(300, 200), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * count + content[-2:]


def test_a_jpeg_has_a_bounded_number_of_scans():
    own = scans(0).count(b"\xff\xda")
    assert 5 <= own <= 20
    assert read_page(scans(0), name="p").width == 300
    assert code(scans(100 - own)) == "truncated"  # not too many, but libjpeg warns of a scan that is repeated
    assert code(scans(101 - own)) == "too_many_scans"


def test_scans_in_a_tiff_are_counted_by_its_parts():
    many = encode(drawing(2000, 1000), "TIFF", compression="jpeg", strip_size=30_000)
    assert many.count(b"\xff\xda") > 100
    assert read_page(many, name="p").height == 1000

    def of(data):
        return tiff({258: 8, 259: 7, 262: 6, 273: None, 278: 200, 279: len(data)}, data)

    assert code(of(scans(101))) == "too_many_scans"
    assert code(of(scans(101)).replace(struct.pack("<I", len(scans(101))), bytes(4))) == "too_many_scans"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(kind, orientation):
    # how an upright picture is stored under each orientation (EXIF 2.32, tag 274)
    stored_as = [None, *(Image.Transpose(number) for number in (0, 3, 1, 5, 2, 6, 4))]
    turn = stored_as[orientation - 1]
    stored = drawing() if turn is None else drawing().transpose(turn)
    exif = Image.Exif()
    exif[274] = orientation
    page = read_page(encode(stored, kind, exif=exif), name="p")
    assert (page.width, page.height) == (240, 160)
    assert np.abs(page.pixels.astype(int) - np.asarray(drawing()).astype(int)).mean() < 6


def test_cmyk_is_read_with_its_own_polarity():
    cmyk = drawing().convert("CMYK")
    expected = np.asarray(drawing()).astype(int)
    for content in (encode(cmyk, "JPEG", quality=95), encode(cmyk, "TIFF")):
        assert np.abs(read_page(content, name="p").pixels.astype(int) - expected).mean() < 6


def test_cmyk_jpeg_without_adobe_marker_is_not_inverted():
    inverted = Image.eval(drawing().convert("CMYK"), lambda value: 255 - value)
    content = encode(inverted, "JPEG", quality=95)
    marker = content.index(b"\xff\xee")
    length = struct.unpack(">H", content[marker + 2 : marker + 4])[0]
    page = read_page(content[:marker] + content[marker + 2 + length :], name="p")
    assert np.abs(page.pixels.astype(int) - np.asarray(drawing()).astype(int)).mean() < 6


@pytest.mark.parametrize("kind", ["TIFF", "PNG"])
def test_16_bit_grey_keeps_its_scale(kind):
    grey = np.asarray(drawing().convert("L"))
    page = read_page(encode(Image.fromarray(grey.astype(np.uint16) * 257), kind), name="p")
    assert page.mode.startswith("I;16")
    assert np.array_equal(page.pixels, np.repeat(grey[..., None], 3, axis=2))


def test_12_bit_data_in_16_bits_is_named_not_stretched():
    grey = np.asarray(drawing().convert("L")).astype(np.uint16) * 16
    with pytest.raises(PageError, match="12-bit"):
        read_page(encode(Image.fromarray(grey), "TIFF"), name="p")


def test_32_bit_and_floating_point_grey():
    grey = np.asarray(drawing().convert("L"))
    expected = np.repeat(grey[..., None], 3, axis=2)
    for values in (grey.astype(np.int32) * 257, grey.astype(np.float32), grey.astype(np.float32) / 255):
        assert np.array_equal(read_page(encode(Image.fromarray(values), "TIFF"), name="p").pixels, expected)
    for values in (grey.astype(np.int32) * 1000, grey - np.float32(300), grey * np.float32("nan")):
        assert code(encode(Image.fromarray(values), "TIFF")) == "unsupported_format"


def test_white_is_zero_16_bit_tiff():
    grey = np.asarray(drawing().convert("L"))
    content = encode(Image.fromarray((255 - grey).astype(np.uint16) * 257), "TIFF", tiffinfo={262: 0})
    with Image.open(io.BytesIO(content)) as image:
        if image.tag_v2[262] != 0:
            pytest.skip("this Pillow does not write the tag")
    assert np.array_equal(read_page(content, name="p").pixels[..., 0], grey)


def test_transparency_is_laid_on_white():
    picture = drawing().convert("RGBA")
    alpha = np.full((160, 240), 255, np.uint8)
    alpha[100:] = 0
    picture.putalpha(Image.fromarray(alpha))
    expected = np.asarray(drawing()).copy()
    expected[100:] = 255
    assert np.array_equal(read_page(encode(picture, "PNG"), name="p").pixels, expected)
    grey = read_page(encode(picture.convert("LA"), "PNG"), name="p").pixels
    assert (grey[100:] == 255).all()


def test_palette_with_transparency():
    palette = drawing().quantize(8)
    red = palette.getpixel((5, 5))
    page = read_page(encode(palette, "PNG", transparency=red), name="p")
    assert page.mode == "P"
    assert (page.pixels[5, 5] == 255).all()
    assert page.pixels.min() < 60


def test_one_bit_pages():
    page = read_page(encode(drawing().convert("1"), "TIFF", compression="group4"), name="p")
    assert set(np.unique(page.pixels)) == {0, 255}


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "WEBP"])
def test_the_pictures_of_a_file_are_counted_and_the_first_is_read(kind):
    more = [Image.new("RGB", (240, 160), colour) for colour in ("red", "blue")]
    page = read_page(encode(drawing(), kind, save_all=True, append_images=more), name="p")
    assert page.pictures == 3
    assert np.abs(page.pixels.astype(int) - np.asarray(drawing()).astype(int)).mean() < 6


@pytest.mark.parametrize("kind", WHOLE)
def test_a_file_with_one_picture_says_so(kind):
    assert read_page(WHOLE[kind], name="p").pictures == 1


def test_directories_of_a_tiff_that_go_round_in_a_circle_are_counted_once():
    content = bytearray(WHOLE["TIFF"])
    (first,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, first)
    struct.pack_into("<I", content, first + 2 + 12 * entries, first)
    assert read_page(bytes(content), name="p").pictures == 1


def test_an_empty_sheet_is_blank_and_a_flat_line_is_not():
    sheet = np.full((400, 600, 3), 255, np.uint8)
    sheet[::4] = sheet[:, ::4] = (255, 205, 205)
    sheet[::20] = sheet[:, ::20] = (245, 170, 170)
    assert code(encode(Image.fromarray(sheet), "PNG")) == "blank"
    sheet[200:202, 20:580] = 20
    assert read_page(encode(Image.fromarray(sheet), "PNG"), name="p")
    assert share_of_marks(sheet) == pytest.approx(2 * 560 / (400 * 600))


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(sorted(WHOLE)), data=st.data())
def test_damaged_bytes_raise_nothing_but_page_errors(kind, data):
    content = bytearray(WHOLE[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        # half of the faults strike the header, where sizes and offsets stand
        end = min(200, len(content)) if data.draw(st.booleans()) else len(content)
        content[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content))) if data.draw(st.booleans()) else len(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            page = read_page(bytes(content[:cut]), name="p", max_pixels=4_000_000)
        except PageError as error:
            assert len(error.issues) == 1
        else:
            assert page.pixels.shape == (page.height, page.width, 3)


@settings(max_examples=60, deadline=None)
@given(
    start=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"BM", b"RIFF0000WEBP"]),
    tail=st.binary(),
)
def test_invented_bytes_raise_nothing_but_page_errors(start, tail):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(PageError):
            read_page(start + tail, name="p", max_pixels=4_000_000)


def test_a_further_format_is_one_entry_of_the_registry(monkeypatch):
    content = encode(drawing(), "PPM")
    assert code(content) == "not_an_image"
    monkeypatch.setitem(
        FORMATS,
        "PPM",
        PageFormat("PPM", re.compile(rb"P6\s"), PpmImagePlugin.PpmImageFile, (".ppm",), "image/x-pixmap"),
    )
    page = read_page(content, name="page")
    assert page.format == "PPM"
    assert np.array_equal(page.pixels, np.asarray(drawing()))


def test_names_of_formats_come_from_the_registry():
    assert FORMAT_TITLES == "JPEG, PNG, TIFF, BMP or WebP"
    assert {".jpg", ".jpeg", ".webp"} <= PAGE_SUFFIXES
    assert PAGE_MEDIA_TYPES == "image/jpeg, image/png, image/tiff, image/bmp, image/webp"
