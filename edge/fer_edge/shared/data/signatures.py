"""What a file is, told by its first bytes and not by its name."""

import re
from typing import Final, Literal

HEAD_BYTES: Final = 1024
"""How much of a file's beginning is needed to tell what it is."""

Kind = Literal["picture", "table", "archive", "other"]
"""A picture that is decoded here, a CSV file with pixels, an archive, or anything else."""

_PICTURES: Final = re.compile(
    rb"\xff\xd8\xff"  # JPEG, whatever it is called: .jfif, .jpe, .mpo
    rb"|\x89PNG\r\n\x1a\n"
    rb"|GIF8[79]a"
    rb"|RIFF.{4}WEBP"
    rb"|II\*\0|MM\0\*|II\+\0|MM\0\+"  # TIFF and BigTIFF
    rb"|BM.{4}\0\0\0\0.{2}\0\0[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0"
    rb"|P[1-6][ \t\r\n]+[#0-9]|P7[ \t\r\n]+(?:#|WIDTH|HEIGHT)"  # PNM and PAM
    rb"|\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"  # JPEG 2000, and its bare code stream
    rb"|.{4}ftypavi[fs]"
    rb"|\x59\xa6\x6a\x95",  # Sun raster
    re.DOTALL,
)
_UNREAD_PICTURES: Final = (
    (re.compile(rb".{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL), "HEIC"),
    (re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n"), "JPEG XL"),
    (re.compile(rb"8BPS"), "Photoshop"),
    (re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?(?:<!DOCTYPE svg[^>]*>\s*)?<svg[\s>]",
                re.DOTALL), "SVG"),
)  # fmt: skip
_VIDEOS: Final = re.compile(
    rb".{4}ftyp(?!avi[fs]|hei|hev|mif1|msf1)"  # MP4 and QuickTime
    rb"|.{4}(?:moov|mdat|wide)"
    rb"|\x1a\x45\xdf\xa3"  # Matroska and WebM
    rb"|RIFF.{4}AVI "
    rb"|\0\0\x01[\xba\xb3]"  # MPEG
    rb"|FLV\x01|OggS|\x30\x26\xb2\x75\x8e\x66\xcf\x11"  # the last is Windows Media
    rb"|G.{187}G",  # MPEG transport stream
    re.DOTALL,
)
_ARCHIVES: Final = (
    b"PK\3\4", b"PK\5\6",
    b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07",
)  # fmt: skip
_TAR_MAGIC: Final = slice(257, 262)


def kind_of(head: bytes) -> Kind:
    """Return what a file is.

    Args:
        head: Its first `HEAD_BYTES`, or all of it where it has fewer.
    """
    if _PICTURES.match(head):
        return "picture"
    if head.startswith(_ARCHIVES) or is_tar(head):
        return "archive"
    return "table" if _names_pixels(head) else "other"


def describe(head: bytes) -> str:
    """Return why a file is not read, in a few words, from its first bytes."""
    if not head:
        return "empty"
    unread = next((name for form, name in _UNREAD_PICTURES if form.match(head)), None)
    if unread is not None:
        return f"{unread}, to be converted to JPEG or PNG"
    return "an archive inside, to be unpacked" if kind_of(head) == "archive" else "no picture"


def is_video(head: bytes) -> bool:
    """Return whether a file is a video that is no picture at the same time, as a GIF is."""
    return _VIDEOS.match(head) is not None


def is_tar(head: bytes) -> bool:
    """Return whether a file is a tar archive that is not compressed."""
    return head[_TAR_MAGIC] == b"ustar"


def _names_pixels(head: bytes) -> bool:
    """Return whether the first line has the column that FER2013's pixels stand in."""
    line = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].lower()
    return b"pixels" in (cell.strip(b' \t\r"') for cell in re.split(rb"[,;\t]", line))
