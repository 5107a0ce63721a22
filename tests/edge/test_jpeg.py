"""JPEGs that are not what they should be: without their end, or with a header of a bomb."""

import struct

import numpy as np
import pytest

from fer_edge.shared.data.jpeg import read_header
from fer_edge.shared.data.picture_bounds import why_outsized
from fer_edge.shared.data.picture_size import read_claim
from fer_edge.shared.data.pictures import decode_grey
from fer_edge.shared.errors import PictureError
from fer_edge.shared.opencv import cv2
from fer_edge.sources.capture import LEAST_LIVE_PIXELS, decode_jpeg, live_pixels
from fer_edge.testing.fakes import noisy_picture

PICTURE = noisy_picture(1, width=160, height=120)
COLOUR = cv2.cvtColor(PICTURE, cv2.COLOR_GRAY2BGR)
KINDS = {
    "baseline": [],
    "progressive": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
    "restarts": [cv2.IMWRITE_JPEG_RST_INTERVAL, 4],
    "optimised": [cv2.IMWRITE_JPEG_OPTIMIZE, 1],
    "coarse": [cv2.IMWRITE_JPEG_QUALITY, 20],
}


def a_jpeg(kind="baseline", picture=COLOUR):
    return cv2.imencode(".jpg", picture, KINDS[kind])[1].tobytes()


def claiming(jpeg, width, height):
    """Return a JPEG whose header claims another size."""
    at = next(at for code in (b"\xff\xc0", b"\xff\xc2") if (at := jpeg.find(code)) > 0)
    return jpeg[: at + 5] + struct.pack(">HH", height, width) + jpeg[at + 9 :]


@pytest.mark.parametrize("kind", KINDS)
def test_the_header_says_size_and_passes(kind):
    header = read_header(a_jpeg(kind))
    assert (header.width, header.height, header.samples) == (160, 120, 1.5)
    assert header.buffered is (kind == "progressive")
    assert (header.scans > 3) is (kind == "progressive")


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_that_only_lacks_its_end_marker_is_decoded(kind):
    whole = a_jpeg(kind)
    expected = decode_grey(whole, where="whole")
    assert np.array_equal(decode_grey(whole[:-2], where="cut"), expected)
    assert np.array_equal(decode_jpeg(whole[:-2]), expected)
    assert np.array_equal(decode_jpeg(whole[:-1]), expected)


@pytest.mark.parametrize("kind", ["baseline", "restarts", "optimised", "coarse"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_picture_whose_pixels_are_missing_is_damaged(kind, share):
    whole = a_jpeg(kind)
    cut = whole[: int(len(whole) * share)]
    assert decode_jpeg(cut) is None
    with pytest.raises(PictureError, match="cannot be decoded"):
        decode_grey(cut, where="cut")


@pytest.mark.parametrize(
    ("jpeg", "reason"),
    [
        (claiming(a_jpeg(), 11500, 11500), "11500x11500"),
        (claiming(a_jpeg(), 65500, 65500), "65500x65500"),
        (claiming(a_jpeg("progressive"), 8000, 8000), "8000x8000"),
        (a_jpeg("progressive", np.zeros((1200, 1600, 3), np.uint8)).replace(
            b"\xff\xd9", b"\xff\xda" * 600 + b"\xff\xd9"), "passes"),
    ],
    ids=["132 megapixels", "4 gigapixels", "coefficients", "scans"],
)  # fmt: skip
def test_what_a_header_claims_is_refused_unread(jpeg, reason):
    with pytest.raises(PictureError, match=reason):
        decode_grey(jpeg, where="bomb.jpg")
    with pytest.raises(PictureError, match="pixels"):
        decode_jpeg(jpeg)


def test_a_camera_with_larger_pictures_than_wanted_is_read_smaller():
    large = a_jpeg(picture=cv2.resize(PICTURE, (4000, 3000), interpolation=cv2.INTER_NEAREST))
    assert decode_jpeg(large).shape == (1500, 2000)
    assert decode_jpeg(large, most_pixels=live_pixels(4000, 3000)).shape == (3000, 4000)
    assert live_pixels(640, 480) == LEAST_LIVE_PIXELS >= 3840 * 2160


def a_png_header(width, height):
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\0\0\0\0"


def a_gif_header(width, height):
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(20)


def a_webp_header(width, height):
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\xff\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + canvas


def a_tiff_header(width, height):
    tags = struct.pack("<HHII", 256, 4, 1, width) + struct.pack("<HHII", 257, 4, 1, height)
    return b"II*\0" + struct.pack("<IH", 8, 2) + tags + bytes(4)


def a_bmp_header(width, height):
    return b"BM" + bytes(12) + struct.pack("<IiiHH", 40, width, -height, 1, 24) + bytes(40)


@pytest.mark.parametrize(
    ("make", "kind", "most"),
    [
        (a_png_header, "png", 64), (a_tiff_header, "tiff", 64), (a_bmp_header, "bmp", 64),
        (a_gif_header, "gif", 19), (a_webp_header, "webp", 27),
        (lambda w, h: b"P5\n# made\n%d %d\n255\n" % (w, h), "pnm", 64),
    ],
    ids=["png", "tiff", "bmp", "gif", "webp", "pnm"],
)  # fmt: skip
def test_other_kinds_are_bounded_by_what_their_decoders_take(make, kind, most):
    assert read_claim(make(1000, most * 1000)) == (kind, 1000, most * 1000)
    assert why_outsized(make(1000, most * 1000)) == ""
    assert why_outsized(make(1000, (most + 1) * 1000)) == f"1000x{(most + 1) * 1000} pixels"
    with pytest.raises(PictureError, match="claims"):
        decode_grey(make(1000, (most + 1) * 1000), where="bomb")


@pytest.mark.parametrize("kind", [".png", ".bmp", ".webp", ".tiff", ".ppm", ".pgm", ".gif"])
def test_the_size_read_is_the_size_decoded(kind):
    picture = PICTURE if kind == ".pgm" else COLOUR
    data = cv2.imencode(kind, picture)[1].tobytes()
    claim = read_claim(data)
    assert (claim.width, claim.height) == (160, 120)
