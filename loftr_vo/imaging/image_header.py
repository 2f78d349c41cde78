# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The size of a compressed picture from its header, before anything of it is decoded.

A file of less than a megabyte can hold a picture of gigabytes. A few bytes at its beginning say
how many pixels that will be. They are read here and not by a library: Pillow allocates the whole
picture of a WebP file when it opens it, and a robot needs no Pillow otherwise.
"""

from __future__ import annotations

import re
import struct

# The most that is decoded where no calibration says how many pixels there should be: three times
# an 8K picture (7680x4320), and 100 MB in grey.
MOST_PIXELS = 100_000_000

KINDS = 'PNG, JPEG, BMP, PBM, PGM, PPM, TIFF or WebP'

# Markers of a JPEG that begin a frame and have its size; C4, C8 and CC are tables.
_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers without a length: fill bytes, temporary, restart, start of image.
_BARE = frozenset([0x01, *range(0xD0, 0xD9)])
_PNM = re.compile(rb'P[1-6]((?:\s|#[^\n]*\n)+)(\d{1,9})((?:\s|#[^\n]*\n)+)(\d{1,9})\s')
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_MOST_HEADER = 1 << 16
# Segments of a JPEG before its frame. Each is up to 64 kB, and cameras write a few dozen.
_MOST_SEGMENTS = 4096


def picture_size(data: bytes | memoryview) -> tuple[int, int] | None:
    """Return (height, width) of a picture file, or None if it is of no kind in ``KINDS``.

    The size is that in the header: positive numbers, however large.
    """
    view = memoryview(data).cast('B')
    beginning = bytes(view[:16])
    try:
        if beginning.startswith(b'\x89PNG\r\n\x1a\n'):
            size = _png(view)
        elif beginning.startswith(b'\xff\xd8\xff'):
            size = _jpeg(view)
        elif beginning.startswith(b'BM'):
            size = _bmp(view)
        elif beginning[:4] in (b'II*\0', b'MM\0*'):
            size = _tiff(view)
        elif beginning.startswith(b'RIFF') and beginning[8:12] == b'WEBP':
            size = _webp(view)
        else:
            size = _pnm(view)
    except (struct.error, IndexError):  # it ends within the header
        return None
    return size if size is not None and min(size) > 0 else None


def _png(view: memoryview) -> tuple[int, int] | None:
    kind, width, height = struct.unpack_from('>4sII', view, 12)
    return (height, width) if kind == b'IHDR' else None


def _jpeg(view: memoryview) -> tuple[int, int] | None:
    place = 2
    for _ in range(_MOST_SEGMENTS):
        if view[place] != 0xFF:
            return None
        marker = view[place + 1]
        if marker == 0xFF or marker in _BARE:
            place += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAME:
            height, width = struct.unpack_from('>HH', view, place + 5)
            return height, width
        (length,) = struct.unpack_from('>H', view, place + 2)
        # The pixels (DA) or the end (D9) before any frame.
        if marker in (0xD9, 0xDA) or length < 2:
            return None
        place += 2 + length
    return None


def _bmp(view: memoryview) -> tuple[int, int] | None:
    (header,) = struct.unpack_from('<I', view, 14)
    if header == 12:
        width, height = struct.unpack_from('<HH', view, 18)
    else:
        width, height = struct.unpack_from('<ii', view, 18)
    # Negative: the first row is the upper one.
    return abs(height), width


def _pnm(view: memoryview) -> tuple[int, int] | None:
    found = _PNM.match(view[:_MOST_HEADER])
    return None if found is None else (int(found[4]), int(found[2]))


def _tiff(view: memoryview) -> tuple[int, int] | None:
    order = '<' if view[0] == ord('I') else '>'
    (place,) = struct.unpack_from(f'{order}I', view, 4)
    (count,) = struct.unpack_from(f'{order}H', view, place)
    sizes: dict[int, int] = {}
    for entry in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(f'{order}HH', view, entry)
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT) and tag not in sizes:
            form = {3: 'H', 4: 'I'}.get(kind)
            if form is None:
                return None
            (sizes[tag],) = struct.unpack_from(f'{order}{form}', view, entry + 8)
    if len(sizes) < 2:
        return None
    return sizes[_TIFF_HEIGHT], sizes[_TIFF_WIDTH]


def _webp(view: memoryview) -> tuple[int, int] | None:
    kind = bytes(view[12:16])
    if kind == b'VP8X':
        width, height = (int.from_bytes(view[at : at + 3], 'little') + 1 for at in (24, 27))
        return (height, width) if len(view) >= 30 else None
    if kind == b'VP8L' and view[20] == 0x2F:
        (bits,) = struct.unpack_from('<I', view, 21)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b'VP8 ' and bytes(view[23:26]) == b'\x9d\x01\x2a':
        width, height = struct.unpack_from('<HH', view, 26)
        return height & 0x3FFF, width & 0x3FFF
    return None
