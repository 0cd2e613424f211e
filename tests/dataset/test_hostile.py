"""Hostile and broken archives and images: each is imported, skipped or refused, and does no harm."""

import bz2
import gzip
import json
import lzma
import os
import re
import stat
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests._pictures import encoded
from vitcore.dataset import _unpack, import_dataset, load_dataset, load_image
from vitcore.errors import ArchiveError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MB = 2**20
MAX_FILE_BYTES = 8 * MB
"""In place of the 200 MB that a file may have."""

GENEROUS_S = 30
"""Every case takes a fraction of a second; the machine may have other work."""

MAX_GROWTH_BYTES = 2**30

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)


# --- images ----------------------------------------------------------------------------------


def plain(kind: str, mode: str = "RGB", colour: Any = RED, size: tuple[int, int] = (16, 16)) -> bytes:
    return encoded(Image.new(mode, size, colour), kind)


def noise(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels), kind)


def animation(kind: str) -> bytes:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN, BLUE)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


def turned(kind: str) -> bytes:
    """A wide image, red on its left and blue on its right, stored as it was taken: on its side."""
    image = Image.new("RGB", (32, 64), BLUE)
    image.paste(RED, (0, 32, 32, 64))
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image, kind, exif=exif.tobytes())


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def put(data: bytes, start: int, new: bytes) -> bytes:
    """The data with other bytes from `start` on."""
    assert 0 <= start <= len(data) - len(new)
    return data[:start] + new + data[start + len(new) :]


def zeros(count: int) -> bytes:
    """A bomb: that many zeros, deflated to a thousandth."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(MB)) + packer.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, zlib.DEFLATED, -15)
    return block * (count // MB) + last.compress(bytes(count % MB)) + last.flush()


def zlib_zeros(count: int) -> bytes:
    return b"\x78\x9c" + zeros(count) + struct.pack(">I", count % 65521 << 16 | 1)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, channels: int = 1, bits: int = 8, extra: bytes = b"") -> bytes:
    """A sound PNG file whose pixels are all zero, however large, with another chunk in it."""
    colours = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    about = struct.pack(">2I5B", width, height, bits, colours, 0, 0, 0)
    pixels = zlib_zeros(height * (1 + width * channels * bits // 8))
    chunks = png_chunk(b"IHDR", about), extra, png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def tiff_with_a_loop() -> bytes:
    """Its first directory says that the next one is the first one."""
    data = plain("TIFF")
    [start] = struct.unpack_from("<I", data, 4)
    [count] = struct.unpack_from("<H", data, start)
    return put(data, start + 2 + 12 * count, struct.pack("<I", start))


def tiff_with_a_huge_tag() -> bytes:
    """Its first tag has 2 billion values, somewhere behind the file."""
    data = plain("TIFF")
    [start] = struct.unpack_from("<I", data, 4)
    return put(data, start + 2 + 4, struct.pack("<2I", 2**31 - 1, 2**31 - 1))


GOOD = plain("PNG")
SOUND = {
    f"{label}/sound {number}.png": plain("PNG", colour=(60 * number, 200, 90 * place))
    for place, label in enumerate(("cats", "dogs"))
    for number in range(2)
}
"""What lies in nearly every archive and must be imported whatever lies beside it."""


# --- archives --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Raw:
    """A file of a zip file: what its headers say of it need not be true."""

    name: bytes
    content: bytes = GOOD
    packed: bytes | None = None
    method: int = zipfile.ZIP_DEFLATED
    flags: int = 0
    mode: int = 0
    extra: bytes = b""
    crc: int | None = None
    size_bytes: int | None = None
    packed_bytes: int | None = None
    inner_name: bytes | None = None
    offset: int | None = None
    copies: int = 1

    def body(self) -> bytes:
        if self.packed is not None:
            return self.packed
        if self.method == zipfile.ZIP_STORED:
            return self.content
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        return packer.compress(self.content) + packer.flush()

    def _fields(self, name: bytes) -> bytes:
        crc = zlib.crc32(self.content) if self.crc is None else self.crc
        size_bytes = len(self.content) if self.size_bytes is None else self.size_bytes
        packed_bytes = len(self.body()) if self.packed_bytes is None else self.packed_bytes
        lengths = len(name), len(self.extra)
        return struct.pack("<4H3I2H", self.flags, self.method, 0, 33, crc, packed_bytes, size_bytes, *lengths)

    def header(self) -> bytes:
        name = self.name if self.inner_name is None else self.inner_name
        return struct.pack("<4sH", b"PK\3\4", 20) + self._fields(name) + name + self.extra

    def listing(self, offset: int) -> bytes:
        start = struct.pack("<4s2H", b"PK\1\2", 0x0314, 20) + self._fields(self.name)
        offset = offset if self.offset is None else self.offset
        return start + struct.pack("<3H2I", 0, 0, 0, self.mode << 16, offset) + self.name + self.extra


SOUND_RAW = [Raw(name.encode(), content) for name, content in SOUND.items()]


def zip_end(listings: Sequence[bytes], offset: int, comment: bytes = b"", count: int | None = None) -> bytes:
    count = len(listings) if count is None else count
    table = b"".join(listings)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(table), offset, len(comment))
    return table + end + comment


def zipped(
    *files: Raw, comment: bytes = b"", shift: int = 0, count: int | None = None, sound: bool = True
) -> bytes:
    """A zip file of these files, with the sound images before and behind them."""
    body, listings = b"", []
    for raw in [SOUND_RAW[0], *files, *SOUND_RAW[1:]] if sound else files:
        listings += [raw.listing(len(body))] * raw.copies
        body += raw.header() + raw.body()
    return body + zip_end(listings, len(body) + shift, comment, count)


def quoting_zip_bomb(count: int) -> bytes:
    """Every file quotes the header of the next one and ends with its bytes (Fifield, WOOT 2019)."""
    raw = Raw(b"cats/0.png", packed=zeros(64 * MB), size_bytes=64 * MB, crc=0)
    body, starts = raw.header() + raw.body(), [(raw, 0)]
    for number in range(1, count):
        quoted = starts[0][0].header()
        quote = struct.pack("<B2H", 0, len(quoted), len(quoted) ^ 0xFFFF)
        raw = Raw(b"cats/%d.png" % number, packed=quote + body, size_bytes=64 * MB, crc=0)
        moved = len(raw.header()) + len(quote)
        body, starts = raw.header() + raw.body(), [(raw, 0), *((one, start + moved) for one, start in starts)]
    for raw in SOUND_RAW:
        starts.append((raw, len(body)))
        body += raw.header() + raw.body()
    return body + zip_end([raw.listing(start) for raw, start in starts], len(body))


def bzip2_zeros(blocks: int) -> bytes:
    """A single bzip2 stream: every 40 bytes are a block of 20 MB."""
    data = bz2.compress(bytes(20 * MB))
    bits = "".join(f"{byte:08b}" for byte in data[4:])
    end = bits.rindex(f"{0x177245385090:048b}")
    block, crc, whole = bits[:end], int(bits[48:80], 2), 0
    for _ in range(blocks):
        whole = ((whole << 1 | whole >> 31) & 0xFFFFFFFF) ^ crc
    bits = block * blocks + bits[end : end + 48] + f"{whole:032b}"
    bits += "0" * (-len(bits) % 8)
    return data[:4] + int(bits, 2).to_bytes(len(bits) // 8)


def lzma_in_a_zip(content: bytes, dictionary_bytes: int) -> bytes:
    """The content packed with LZMA, with a dictionary of a size that it does not need."""
    alone = lzma.compress(content, lzma.FORMAT_ALONE)
    return struct.pack("<2HBI", 9, 5, alone[0], dictionary_bytes) + alone[13:]


def zip64(packed_bytes: int, size_bytes: int) -> bytes:
    return struct.pack("<2H2Q", 1, 16, size_bytes, packed_bytes)


def member(name: str, content: bytes = GOOD, kind: bytes = tarfile.REGTYPE, **fields: Any) -> bytes:
    """A file of a tar file."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    form = tarfile.PAX_FORMAT if info.pax_headers else tarfile.GNU_FORMAT
    return info.tobuf(form, "utf-8", "surrogateescape") + content + bytes(-len(content) % 512)


SOUND_MEMBERS = [member(name, content) for name, content in SOUND.items()]


def tarred(*members: bytes) -> bytes:
    """A tar file of these files, with the sound images before and behind them."""
    return b"".join([SOUND_MEMBERS[0], *members, *SOUND_MEMBERS[1:], bytes(1024)])


def tar_bomb(pack: Callable[[bytes], bytes], count: int = 16) -> bytes:
    """A compressed tar file with an image of zeros: packed parts may be put one behind the other."""
    before = SOUND_MEMBERS[0] + member("cats/x.png", b"", size=count * MB)
    return pack(before) + pack(bytes(MB)) * count + pack(b"".join([*SOUND_MEMBERS[1:], bytes(1024)]))


def header_bomb(kind: bytes, count: int = 1500) -> bytes:
    """A tar.gz file with a header of zeros that would have to be kept in memory."""
    before = SOUND_MEMBERS[0] + member("x", b"", kind, size=count * MB)
    return gzip.compress(before) + gzip.compress(bytes(MB)) * count


def hole(name: str, size_bytes: int) -> bytes:
    """A file of a tar file that is nothing but a hole."""
    header = put(member(name, b"", tarfile.GNUTYPE_SPARSE), 483, b"%011o\0" % size_bytes)
    header = put(header, 148, b" " * 8)
    return put(header, 148, b"%06o\0 " % sum(header))


# --- the cases -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is imported and what must happen.

    Attributes:
        name: What it is.
        make: Makes the bytes of the archive.
        file: Its name.
        imported: Name and label of the images that are imported beside the sound ones.
        skipped: Name of each file that is skipped, and words of the reason.
        ignored: Number of files that are not worth a reason.
        refused: Words of the reason why the whole archive is refused; empty if it is not.
        colour: Near the upper left corner of the images that are imported beside the sound ones.
        size: Their width and height.
    """

    name: str
    make: Callable[[], bytes]
    file: str = "source.zip"
    imported: Sequence[tuple[str, str]] = ()
    skipped: Mapping[str, str] | None = None
    ignored: int = 0
    refused: str = ""
    colour: tuple[int, int, int] | None = None
    size: tuple[int, int] | None = None

    @property
    def reasons(self) -> dict[str, str]:
        return dict(self.skipped or {})


def of_zip(name: str, *files: Raw, **expected: Any) -> Case:
    return Case(name=name, make=lambda: zipped(*files), **expected)


def called(name: str, raw: bytes, shown: str, label: str) -> Case:
    """A sound image under an odd name."""
    file = Raw(raw, flags=0x800)  # UTF-8
    return of_zip(name, file, imported=[(shown, label)], colour=RED)


def broken(name: str, reason: str, **fields: Any) -> Case:
    """A file of a zip file whose headers say something wrong of it."""
    return of_zip(name, replace(Raw(b"cats/x.png"), **fields), skipped={"cats/x.png": reason})


def refused(name: str, make: Callable[[], bytes], words: str, file: str = "source.zip") -> Case:
    return Case(name=name, make=make, file=file, refused=words)


def of_tar(name: str, *members: bytes, **expected: Any) -> Case:
    return Case(name=name, make=lambda: tarred(*members), file="source.tar", **expected)


def picture(name: str, file: str, make: Callable[[], bytes], **expected: Any) -> Case:
    """An image that is imported."""
    raw = f"cats/{file}"
    content = zipped_later(raw, make)
    return Case(name=name, make=content, imported=[(raw, "cats")], **expected)


def no_picture(name: str, file: str, make: Callable[[], bytes], reason: str) -> Case:
    """An image that is skipped."""
    return Case(name=name, make=zipped_later(f"cats/{file}", make), skipped={f"cats/{file}": reason})


def zipped_later(name: str, make: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: zipped(Raw(name.encode(), make()))


TOO_LARGE = "larger than 8 MB"
BROKEN = "damaged in the archive"
OVERLAPS = "it overlaps the next file"
LINK = "a link or device, not a file"
CUT = "damaged or cut short"
LONG_CLASS = "the name of its class has over 200 characters"
EMPTY = "the file is empty; if it is kept in a cloud, download it first"
UNKNOWN = "not an image of a known format"
HUGE = "more than 80 megapixels"
HIDDEN = "\N{REPLACEMENT CHARACTER}"
DEEP, TOO_DEEP = "deep/" * 150, "deep/" * 300
OTHER = plain("PNG", colour=BLUE)

HEAVY = [
    broken("zip bomb", TOO_LARGE, packed=zeros(64 * MB), size_bytes=64 * MB),
    Case(
        name="zip bomb of bzip2",
        make=lambda: zipped(
            Raw(b"cats/x.png", packed=bzip2_zeros(60), method=zipfile.ZIP_BZIP2, size_bytes=1200 * MB)
        ),
        skipped={"cats/x.png": TOO_LARGE},
    ),
    Case(
        name="zip bomb of one file under many names",
        make=lambda: zipped(Raw(b"cats/x.png", packed=zeros(64 * MB), size_bytes=64 * MB, copies=30)),
        skipped={"cats/x.png": f"{OVERLAPS}|{TOO_LARGE}"},
    ),
    Case(
        name="zip bomb of files that quote each other",
        make=lambda: quoting_zip_bomb(30),
        skipped={f"cats/{number}.png": OVERLAPS if number else TOO_LARGE for number in range(30)},
    ),
    Case(
        name="LZMA with a dictionary of 4 GB",
        make=lambda: zipped(
            Raw(b"cats/x.png", packed=lzma_in_a_zip(GOOD, 2**32 - 1), method=zipfile.ZIP_LZMA)
        ),
        imported=[("cats/x.png", "cats")],
    ),
    *(
        Case(
            name=f"tar bomb packed with {kind}",
            make=lambda pack=pack: tar_bomb(pack),
            file=f"source.tar.{kind}",
            skipped={"cats/x.png": TOO_LARGE},
        )
        for kind, pack in (
            ("gz", gzip.compress),
            ("bz2", bz2.compress),
            ("xz", lzma.compress),
            ("zst", zstd.compress),
        )
    ),
    *(
        refused(f"tar bomb in a header of type {kind!r}", lambda kind=kind: header_bomb(kind), words, name)
        for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME)
        for words, name in [("a header of impossible size", "source.tar.gz")]
    ),
    of_tar("tar with a hole of 8 GB", hole("cats/x.png", 2**33 - 1), skipped={"cats/x.png": TOO_LARGE}),
    picture("PNG of 79 megapixels, see-through", "x.png", lambda: png(8900, 8900, 4), colour=WHITE),
    picture("PNG of 40 megapixels of 16 bits", "x.png", lambda: png(6300, 6300, 1, 16)),
    no_picture("PNG of 100 megapixels in 100 kB", "x.png", lambda: png(10_000, 10_000), HUGE),
    no_picture(
        "WebP with a canvas of 268 megapixels",
        "x.webp",
        lambda: put(animation("WEBP"), 24, b"\xff\x3f\x00\xff\x3f\x00"),
        HUGE,
    ),
    no_picture(
        "PNG with a text of 500 MB",
        "x.png",
        lambda: png(16, 16, extra=png_chunk(b"zTXt", b"key\0\0" + zlib_zeros(500 * MB))),
        CUT,
    ),
    no_picture(
        "PNG with a colour profile of 500 MB",
        "x.png",
        lambda: png(16, 16, extra=png_chunk(b"iCCP", b"key\0\0" + zlib_zeros(500 * MB))),
        CUT,
    ),
]
"""These may take memory; a process of their own is watched while it imports them."""

ZIPS = [
    called("slip into a class", b"../../cats/x.png", "../../cats/x.png", "cats"),
    of_zip("slip", Raw(b"../../../x.png"), skipped={"../../../x.png": "not inside a class folder"}),
    called("absolute path", b"/cats/x.png", "/cats/x.png", "cats"),
    called("Windows drive", b"C:\\x.png", "C:/x.png", "C:"),
    called("backslashes", b"cats\\..\\x.png", "cats/../x.png", "cats"),
    called("UNC path", b"\\\\server\\share\\x.png", "//server/share/x.png", "server/share"),
    called("NUL in a name", b"cats/x.png\0.exe", "cats/x.png", "cats"),
    called("newline in a name", b"cats/x\r\ny.png", "cats/x  y.png", "cats"),
    called("escape sequence in a name", b"\x1b[2Jcats/x.png", f"{HIDDEN}[2Jcats/x.png", f"{HIDDEN}[2Jcats"),
    called("direction override in a name", "cats/\u202egnp.png".encode(), f"cats/{HIDDEN}gnp.png", "cats"),
    called("markup in a name", b"cats/<img src=x>.png", "cats/<img src=x>.png", "cats"),
    called("name of 300 bytes", b"cats/%s.png" % (b"x" * 300), f"cats/{'x' * 300}.png", "cats"),
    of_zip("deep path", Raw(f"{DEEP}x.png".encode()), skipped={f"{DEEP}x.png": LONG_CLASS}),
    of_zip(
        "path too deep",
        Raw(f"{TOO_DEEP}x.png".encode()),
        skipped={f"{TOO_DEEP}x.png"[:1024] + "…": "a name of over 1,024 characters"},
    ),
    called("device name of Windows", b"cats/CON.png", "cats/CON.png", "cats"),
    called("name that differs in case only", b"CATS/Sound 0.png", "CATS/Sound 0.png", "CATS"),
    of_zip(
        "two files of one name",
        Raw(b"cats/x.png"),
        Raw(b"cats/x.png", OTHER),
        imported=[("cats/x.png", "cats")] * 2,
    ),
    of_zip("no name", Raw(b""), ignored=1),
    of_zip("names of dots", Raw(b"."), Raw(b".."), Raw(b"cats/.."), skipped={"cats/..": ""}, ignored=2),
    of_zip("name in the letters of DOS", Raw(b"cats/\x82.png"), imported=[("cats/é.png", "cats")]),
    refused("name that is no UTF-8", lambda: zipped(Raw(b"cats/\xff\xfe.png", flags=0x800)), "is damaged"),
    broken("link in a zip", LINK, content=b"/etc/passwd", mode=stat.S_IFLNK | 0o777),
    broken("device in a zip", LINK, mode=stat.S_IFCHR | 0o666),
    broken("password", "protected by a password", flags=1),
    broken("strong encryption", BROKEN, flags=0x40),
    broken("unknown compression", "compressed in an unknown way", method=97),
    broken("compression that is none", BROKEN, packed=b"\xff" * 100),
    broken("wrong checksum", BROKEN, crc=1),
    broken("size too small", BROKEN, size_bytes=10),
    broken("packed size too small", BROKEN, packed_bytes=10),
    broken("packed size too large", BROKEN, packed_bytes=10**6),
    of_zip("size too large", Raw(b"cats/x.png", size_bytes=10**6), imported=[("cats/x.png", "cats")]),
    broken("bzip2 that is none", BROKEN, method=zipfile.ZIP_BZIP2, packed=b"BZh9" + b"\xff" * 100),
    broken("LZMA that is none", BROKEN, method=zipfile.ZIP_LZMA, packed=b"\xff" * 100),
    broken("sizes of 4 GB without zip64", BROKEN, size_bytes=2**32 - 1, packed_bytes=2**32 - 1),
    broken(
        "sizes of a terabyte in zip64",
        BROKEN,
        size_bytes=2**32 - 1,
        packed_bytes=2**32 - 1,
        extra=zip64(2**40, 2**40),
    ),
    of_zip(
        "zip64 where none is needed", Raw(b"cats/x.png", extra=zip64(9, 9)), imported=[("cats/x.png", "cats")]
    ),
    refused(
        "zip64 cut short",
        lambda: zipped(Raw(b"cats/x.png", size_bytes=2**32 - 1, extra=struct.pack("<2H", 1, 16) + b"1234")),
        "is damaged",
    ),
    broken("file that lies elsewhere", BROKEN, offset=5),
    broken("file that lies behind the end", BROKEN, offset=10**9),
    broken("another name inside", BROKEN, inner_name=b"cats/y.png"),
    of_zip("archive inside", Raw(b"cats/more.zip"), skipped={"cats/more.zip": "unpack it first"}),
    of_zip(
        "table that is damaged", Raw(b"labels.csv", b"file,label\n" * 9, crc=1), skipped={"labels.csv": ""}
    ),
    Case(name="archive with an odd name", make=zipped, file=os.fsdecode(b"x\xff\x1b[2J.zip")),
    refused(
        "text with an odd name",
        lambda: b"text",
        rf"^x{HIDDEN}{HIDDEN}\[2J\.zip is not a zip",
        os.fsdecode(b"x\xff\x1b[2J.zip"),
    ),
    Case(name="comment", make=lambda: zipped(comment=b"made by hand, PK\1\2")),
    Case(name="wrong number of files", make=lambda: zipped(count=1)),
    Case(name="something in front of a zip", make=lambda: b"#!/bin/sh\nexit 0\n" * 50 + zipped()),
    Case(name="something behind a zip", make=lambda: zipped() + b"\r\n" * 50),
    refused("far too much behind a zip", lambda: zipped() + bytes(70_000), "is not a zip or tar file"),
    refused("zip cut short", lambda: zipped()[:-40], "is not a zip or tar file"),
    refused(
        "table of contents that lies elsewhere", lambda: zipped(shift=1000), "None of the images|damaged"
    ),
    refused("table of contents that lies behind", lambda: zipped(shift=10**9), "None of the images|damaged"),
    refused("empty zip", lambda: zipped(sound=False), "No images in class folders"),
    refused(
        "zip of folders", lambda: zipped(Raw(b"cats/", b""), Raw(b"dogs/", b""), sound=False), "No images"
    ),
    refused("end of a zip and nothing else", lambda: b"PK\5\6" + b"\xff" * 18, "source.zip"),
    refused("RAR file", lambda: b"Rar!\x1a\x07\x01\x00" + bytes(1000), "is a RAR archive"),
    refused("7z file", lambda: b"7z\xbc\xaf\x27\x1c" + bytes(1000), "is a 7z archive"),
]

TARS = [
    *(
        of_tar(
            f"tar member of type {kind!r}",
            member("cats/x.png", b"", kind, linkname=target),
            skipped={"cats/x.png": LINK},
        )
        for kind, target in (
            (tarfile.SYMTYPE, "/etc/passwd"),
            (tarfile.LNKTYPE, "cats/sound 0.png"),
            (tarfile.LNKTYPE, "cats/x.png"),
            (tarfile.FIFOTYPE, ""),
            (tarfile.CHRTYPE, ""),
            (tarfile.BLKTYPE, ""),
        )
    ),
    of_tar("slip in a tar", member("../../cats/x.png"), imported=[("../../cats/x.png", "cats")]),
    of_tar("absolute path in a tar", member("/cats/x.png"), imported=[("/cats/x.png", "cats")]),
    of_tar(
        "slip in a PAX header",
        member("cats/x.png", pax_headers={"path": "../../cats/y\n.png"}),
        imported=[("../../cats/y .png", "cats")],
    ),
    of_tar(
        "name in a tar that is no UTF-8", member("cats/\udcff.png"), imported=[(f"cats/{HIDDEN}.png", "cats")]
    ),
    of_tar("long name in a tar", member(f"{DEEP}x.png"), skipped={f"{DEEP}x.png": LONG_CLASS}),
    of_tar(
        "file over a folder",
        member("cats"),
        member("cats/x.png"),
        skipped={"cats": ""},
        imported=[("cats/x.png", "cats")],
    ),
    refused("negative size", lambda: tarred(member("cats/x.png", size=-512)), "negative size", "source.tar"),
    refused(
        "negative size in a PAX header",
        lambda: tarred(member("cats/x.png", pax_headers={"size": "-512"})),
        "is damaged",
        "source.tar",
    ),
    refused(
        "size behind the end",
        lambda: tarred(member("cats/x.png", size=10**9)),
        "unexpected end of data",
        "source.tar",
    ),
    refused(
        "nonsense between two files",
        lambda: tarred(b"\xff" * 512),
        "something that is no header",
        "source.tar",
    ),
    Case(name="something behind a tar", make=lambda: tarred() + b"\xff" * 2000, file="source.tar"),
    Case(name="tar called zip", make=tarred),
    Case(
        name="tar with a zip at its end",
        make=lambda: tarred()[:-1024] + member("cats/more.zip", zipped()) + bytes(1024),
        file="source.tar",
        skipped={"cats/more.zip": "unpack it first"},
    ),
    refused("empty tar", lambda: bytes(10_240), "No images in class folders", "source.tar"),
    *(
        refused(
            f"tar.{kind} cut short",
            lambda pack=pack: half(pack(tarred())),
            "source.tar",
            f"source.tar.{kind}",
        )
        for kind, pack in (
            ("gz", gzip.compress),
            ("bz2", bz2.compress),
            ("xz", lzma.compress),
            ("zst", zstd.compress),
        )
    ),
    refused(
        "gz of something else", lambda: gzip.compress(b"hello" * 500), "is not a zip or tar file", "x.gz"
    ),
    refused("gz in a gz", lambda: gzip.compress(gzip.compress(tarred())), "is not a zip or tar file", "x.gz"),
    refused(
        "zst with a wrong head", lambda: zstd.compress(b"")[:4] + b"\xff" * 99, "is damaged", "x.tar.zst"
    ),
]

GREY_16 = np.full((16, 16), 40_000, dtype=np.uint16)
PICTURES = [
    picture("16-bit grey", "x.png", lambda: encoded(Image.fromarray(GREY_16)), colour=(156, 156, 156)),
    picture("CMYK", "x.jpg", lambda: plain("JPEG", "CMYK", (0, 255, 255, 0)), colour=RED),
    picture(
        "palette with transparency",
        "x.png",
        lambda: encoded(Image.new("P", (16, 16)), transparency=0),
        colour=WHITE,
    ),
    picture("grey with transparency", "x.png", lambda: plain("PNG", "LA", (0, 128)), colour=(127, 127, 127)),
    picture("black and white", "x.tif", lambda: plain("TIFF", "1", 1), colour=WHITE),
    picture("floating point", "x.tif", lambda: plain("TIFF", "F", 0.5), colour=(128, 128, 128)),
    picture("Lab colours", "x.tif", lambda: plain("TIFF", "LAB", (255, 128, 128)), colour=WHITE),
    picture("turned by EXIF", "x.jpg", lambda: turned("JPEG"), colour=RED, size=(64, 32)),
    picture("turned by its container", "x.heic", lambda: turned("HEIF"), colour=RED, size=(64, 32)),
    picture("animated GIF", "x.gif", lambda: animation("GIF"), colour=RED),
    picture("animated WebP", "x.webp", lambda: animation("WEBP"), colour=RED),
    picture("animated PNG", "x.png", lambda: animation("PNG"), colour=RED),
    picture("HEIC called JPEG", "x.jpg", lambda: plain("HEIF"), colour=RED),
    picture("single pixel", "x.png", lambda: plain("PNG", size=(1, 1)), size=(1, 1)),
    picture("single row", "x.png", lambda: plain("PNG", size=(20_000, 1)), size=(20_000, 1)),
    picture("single column", "x.jpg", lambda: plain("JPEG", size=(1, 20_000)), size=(1, 20_000)),
    picture("TIFF with a loop", "x.tif", tiff_with_a_loop, colour=RED),
    picture("image that is a zip as well", "x.jpg", lambda: plain("JPEG") + zipped(sound=False), colour=RED),
    picture(
        "JPEG with broken EXIF",
        "x.jpg",
        lambda: encoded(
            Image.new("RGB", (16, 16), RED), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0" + b"\xff" * 40
        ),
        colour=RED,
    ),
    *(
        no_picture(f"half a {kind}", "x.jpg", lambda kind=kind: half(noise(kind)), CUT)
        for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "HEIF")
    ),
    no_picture("PNG with a wrong checksum", "x.png", lambda: put(noise("PNG"), 60, b"!!!!"), CUT),
    no_picture("PNG with a wrong checksum in its head", "x.png", lambda: put(GOOD, 20, b"!"), CUT),
    no_picture("PNG without a pixel", "x.png", lambda: png(0, 16), CUT),
    no_picture("TIFF with a huge tag", "x.tif", tiff_with_a_huge_tag, CUT),
    no_picture(
        "JPEG that claims 4 gigapixels",
        "x.jpg",
        lambda: put(noise("JPEG"), noise("JPEG").find(b"\xff\xc0") + 5, b"\xff" * 4),
        HUGE,
    ),
    no_picture("GIF that claims 4 gigapixels", "x.gif", lambda: put(noise("GIF"), 6, b"\xff" * 4), HUGE),
    no_picture(
        "BMP that claims 4 gigapixels", "x.bmp", lambda: put(noise("BMP"), 18, b"\xff\xff\0\0" * 2), HUGE
    ),
    no_picture("web page", "x.jpg", lambda: b"<!doctype html><title>404</title>", UNKNOWN),
    no_picture("SVG", "x.png", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', UNKNOWN),
    no_picture(
        "nothing", "x.png", lambda: b"", "the file is empty; if it is kept in a cloud, download it first"
    ),
    no_picture("zeros", "x.png", lambda: bytes(5000), UNKNOWN),
    *(
        no_picture(f"{kind} called JPEG", "x.jpg", lambda kind=kind: plain(kind), UNKNOWN)
        for kind in ("ICO", "EPS", "PPM", "TGA", "ICNS", "JPEG2000")
    ),
    no_picture("PDF called JPEG", "x.jpg", lambda: plain("PDF"), "a PDF file"),
    no_picture("PSD called JPEG", "x.jpg", lambda: b"8BPS\0\1" + bytes(500), "a file of a graphics program"),
    no_picture("program called JPEG", "x.jpg", lambda: b"MZ\x90\0" + bytes(500), UNKNOWN),
]


# --- what must hold for each -----------------------------------------------------------------

INSIDE = re.compile(
    r"datasets/[0-9a-f-]+"
    r"(/dataset\.json|/index-\d{4}\.csv|/images(/[0-9a-f]{2}(/[0-9a-f]{64}\.[a-z]+)?)?)?"
    r"|locks/\.tmp-[0-9a-f-]+\.lock"
)
"""All that an import may write, below the root of the workspace."""


def listing(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def odd(before: set[str], after: set[str]) -> set[str]:
    """What was written that is none of an import's business, below the folder of a test."""
    return {path for path in after ^ before if not INSIDE.fullmatch(path.removeprefix("home/"))}


def outcome(import_it: Callable[[], Any]) -> dict[str, Any]:
    """What happened, in the form in which a process can tell it to another."""
    try:
        dataset = import_it()
    except ArchiveError as error:
        return {"refused": str(error)}
    return {
        "imported": sorted(map(list, zip(dataset.index["name"], dataset.index["label"], strict=True))),
        "skipped": [[item.name, str(item.reason)] for item in dataset.skipped],
        "ignored": dataset.ignored,
    }


def compare(case: Case, found: Mapping[str, Any]) -> None:
    if case.refused or "refused" in found:
        assert re.search(case.refused or "not to be refused", found.get("refused", str(found)))
        assert found["refused"].isprintable()
        return
    sound = [[name, name.partition("/")[0]] for name in SOUND]
    assert found["imported"] == sorted([*sound, *map(list, case.imported)])
    assert {name for name, _ in found["skipped"]} == case.reasons.keys()
    for name, reason in found["skipped"]:
        assert (name + reason).isprintable()
        assert re.search(case.reasons[name], reason)
    assert found["ignored"] == case.ignored


def in_place(folder: Path, case: Case) -> Path:
    path = folder / case.file
    path.write_bytes(case.make())
    return path


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # as `vitcore.dataset` says, but pytest has its own
@pytest.mark.parametrize("case", [*ZIPS, *TARS, *PICTURES], ids=lambda case: case.name.replace(" ", "-"))
def test_a_hostile_source_is_dealt_with_and_does_no_harm(tmp_path, workspace, monkeypatch, case):
    monkeypatch.setattr(_unpack, "MAX_FILE_BYTES", MAX_FILE_BYTES)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    source = in_place(tmp_path, case)
    before = listing(tmp_path)
    started = time.monotonic()
    found = outcome(lambda: import_dataset(source))
    assert time.monotonic() - started < GENEROUS_S
    assert odd(before, listing(tmp_path)) == set()
    assert not any(Path("/", name).exists() for name in ("cats", "deep", "x.png"))
    compare(case, found)
    assert len(list(workspace.datasets.iterdir())) == (0 if case.refused else 1)
    for dataset_id in workspace.ids(workspace.datasets):
        dataset = load_dataset(dataset_id)
        assert dataset.name.isprintable()
        rows = dataset.index[~dataset.index["name"].isin(SOUND)]
        for row in rows.itertuples():
            with load_image(dataset.path(row.file)) as image:
                assert image.size == (row.width, row.height) == (case.size or image.size)
                if case.colour is not None:
                    assert np.abs(np.subtract(image.getpixel((4, 4)), case.colour)).max() < 12


WATCHED = """
import json, resource, sys, time
from pathlib import Path
from vitcore.dataset import _unpack, import_dataset
from vitcore.errors import ArchiveError

_unpack.MAX_FILE_BYTES = int(sys.argv[1])
scale = 1 if sys.platform == "darwin" else 1024
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for folder in sys.argv[2:]:
    [source] = Path(folder).iterdir()
    started = time.monotonic()
    try:
        dataset = import_dataset(source)
    except ArchiveError as error:
        found = {"refused": str(error)}
    else:
        found = {
            "imported": sorted(zip(dataset.index["name"], dataset.index["label"])),
            "skipped": [(item.name, str(item.reason)) for item in dataset.skipped],
            "ignored": dataset.ignored,
        }
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * scale
    print(json.dumps(found | {"seconds": time.monotonic() - started, "growth": growth}))
"""


@pytest.mark.thorough
def test_bombs_take_neither_memory_nor_time(tmp_path):
    folders = []
    for number, case in enumerate(HEAVY):
        folders.append(tmp_path / f"{number:02}")
        folders[-1].mkdir()
        in_place(folders[-1], case)
    before = listing(tmp_path)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WATCHED, str(MAX_FILE_BYTES), *map(str, folders)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stderr == ""
    results = [json.loads(line) for line in done.stdout.splitlines()]
    for case, found in zip(HEAVY, results, strict=True):
        assert (case.name, found["seconds"] < GENEROUS_S) == (case.name, True)
        assert (case.name, found["growth"] < MAX_GROWTH_BYTES) == (case.name, True)
        compare(case, found)
    assert odd(before, listing(tmp_path)) == set()
