"""Small JPEG files with any sampling factors, for make_pictures.py: coefficients of chance, coded here.

Pillow writes 4:4:4, 4:2:2 and 4:2:0 alone.
"""

import base64
import io
import struct

import numpy as np
from PIL import Image

RNG = np.random.default_rng(10)


def tables():
    """The Huffman tables of a file that Pillow writes: {(class, number): {symbol: (code, bits)}}, and their segments."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    data, at, found, segments = file.getvalue(), 2, {}, b""
    while data[at + 1] != 0xDA:
        length = struct.unpack(">H", data[at + 2 : at + 4])[0]
        if data[at + 1] in (0xDB, 0xC4):
            segments += data[at : at + 2 + length]
        if data[at + 1] == 0xC4:
            head, counts, symbols = data[at + 4], data[at + 5 : at + 21], data[at + 21 : at + 2 + length]
            code, place, table = 0, 0, {}
            for bits, count in enumerate(counts, 1):
                for symbol in symbols[place : place + count]:
                    table[symbol] = (code, bits)
                    code += 1
                place += count
                code <<= 1
            found[head >> 4, head & 15] = table
        at += 2 + length
    return found, segments


HUFFMAN, SEGMENTS = tables()


def coded(value):
    """A number's size in bits and those bits."""
    size = int(abs(value)).bit_length()
    return size, format(value if value > 0 else value + (1 << size) - 1, f"0{size}b") if size else ""


def block(last, which):
    """A block of a few coefficients of chance, and its first one."""
    first = int(np.clip(last + RNG.integers(-30, 31), -60, 60))
    size, bits = coded(first - last)
    word = lambda table, symbol: format(*(lambda c: (c[0], f"0{c[1]}b"))(HUFFMAN[table, which][symbol]))
    out = word(0, size) + bits
    for run in RNG.integers(0, 5, 4):
        value = int(RNG.integers(1, 6)) * (1 if RNG.random() < 0.5 else -1)
        size, bits = coded(value)
        out += word(1, int(run) << 4 | size) + bits
    return out + word(1, 0), first


def sampled(size, factors, identifiers=None, extra=b"", restart=0):
    """A baseline file; `factors` are the horizontal and vertical ones of each component."""
    width, height = size
    most_h, most_v = max(h for h, _ in factors), max(v for _, v in factors)
    if len(factors) == 1:
        most_h = most_v = 1
    across, down = -(-width // (8 * most_h)), -(-height // (8 * most_v))
    last, bits, scan = [0] * len(factors), "", b""

    def flushed():
        packed = bits + "1" * (-len(bits) % 8)
        return int(packed, 2).to_bytes(len(packed) // 8, "big").replace(b"\xff", b"\xff\0")

    for unit in range(across * down):
        if restart and unit and unit % restart == 0:
            scan += flushed() + bytes([0xFF, 0xD0 + (unit // restart - 1) % 8])
            last, bits = [0] * len(factors), ""
        for which, (h, v) in enumerate(factors):
            for _ in range(h * v if len(factors) > 1 else 1):
                more, last[which] = block(last[which], int(which in (1, 2)))
                bits += more
    scan += flushed()
    identifiers = identifiers or range(1, len(factors) + 1)
    frame, start = b"", b""
    for which, (name, (h, v)) in enumerate(zip(identifiers, factors)):
        colour = int(which in (1, 2))
        frame += bytes([name, h << 4 | v, colour])
        start += bytes([name, colour << 4 | colour])
    frame = struct.pack(">BHHB", 8, height, width, len(factors)) + frame
    start = bytes([len(factors)]) + start + bytes([0, 63, 0])
    part = lambda marker, data: bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data
    interval = part(0xDD, struct.pack(">H", restart)) if restart else b""
    return b"\xff\xd8" + extra + SEGMENTS + interval + part(0xC0, frame) + part(0xDA, start) + scan + b"\xff\xd9"


# Made by jpegtran -arithmetic, which Pillow has no equal of: sequential with 4:2:0, and progressive.
ARITHMETIC = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYV"
    "pQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//yQARCAAV"
    "ABsDASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD/AJWwXbbOeF+ZKF0+oMgTEreDklT2KniakXo/Fn8i/faqJCUPUdkV2Ve0jk"
    "rhTvs9738CYITaxe3RYAnhnbZwwt3iBVtkk9WdfK3yqMmZy3jruBHaZiT7uvrj/MJbsjAwor1PSLtobprcnyh0qKebj+RPPCOwXFxAJ0iWWgXR"
    "3TBUnKE3ZMxg/9k="
)
ARITHMETIC_PROGRESSIVE = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeX"
    "BkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2P/ygARCAAV"
    "ABsDAREAAhEBAxEB/8wABgAQARD/2gAMAwEAAhADEAAAAf7mRVZHAgMTUaMxKP38KRwqgqFIqaPpAm6g4P/MAAQQBf/aAAgBAQABBQITMppwQI"
    "biZ3Jkk+D/zAAEEQX/2gAIAQMBAT8BHlW1Hprqc2xZ9dLI/8wABBEF/9oACAECAQE/AX+d9Qp5ATQnyJSiGIDb+4tskK1Cl7WBSv/MAAQQBf/a"
    "AAgBAQAGPwLA/8wABBAF/9oACAEBAAE/IRBgPUdCvgBIFDa6kP/aAAwDAQACAAMAAAAQieZoxoD/zAAEEQX/2gAIAQMBAT8QD51nBBu87nGvZt"
    "Fg/8wABBEF/9oACAECAQE/EFoR1a2015LAcqh+2aQ/1vhQQAeSvOIh0P/MAAQQBf/aAAgBAQABPxDTQIYvp+S5VBuxOknXKL0icGpLYvXrBxD/"
    "2Q=="
)


def jpegs(good):
    good("arithmetic-420.jpg", base64.b64decode(ARITHMETIC))
    good("arithmetic-progressive.jpg", base64.b64decode(ARITHMETIC_PROGRESSIVE))
    adobe = lambda transform: b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])
    one = (1, 1)
    for name, factors in {
        "411": [(4, 1), one, one], "410": [(4, 2), one, one], "440": [(1, 2), one, one], "441": [(1, 4), one, one],
        "310": [(3, 1), one, one], "130": [(1, 3), one, one], "240": [(2, 4), one, one],
        "less-luma": [one, (2, 2), (2, 2)], "less-blue": [(2, 2), (1, 1), (2, 1)], "mixed": [(2, 2), (2, 1), (1, 2)],
        "odd-blue": [(2, 1), (1, 2), one], "same": [(2, 1), (2, 1), (2, 1)],
    }.items():
        for size in ((33, 41), (7, 5)):
            good(f"sampled-{name}-{size[0]}x{size[1]}.jpg", sampled(size, factors))
    good("sampled-grey.jpg", sampled((33, 41), [(2, 2)]))
    good("sampled-restart.jpg", sampled((61, 41), [(4, 1), one, one], restart=2))
    good("sampled-rgb-names.jpg", sampled((33, 21), [one] * 3, identifiers=b"RGB"))
    good("sampled-odd-names.jpg", sampled((33, 21), [one] * 3, identifiers=[7, 8, 9]))
    good("sampled-rgb-adobe.jpg", sampled((33, 21), [(2, 2), one, one], extra=adobe(0)))
    for name, transform in (("cmyk", 0), ("ycck", 2)):
        for tail, factors in (("", [one] * 4), ("-420", [(2, 2), one, one, (2, 2)]), ("-411", [(4, 1), one, one, (4, 1)])):
            good(f"sampled-{name}{tail}.jpg", sampled((33, 41), factors, extra=adobe(transform)))
    good("sampled-four.jpg", sampled((33, 21), [one] * 4))
