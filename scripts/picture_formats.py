"""Small pictures of every format beside PNG and JPEG, for make_pictures.py: what Pillow cannot write, byte by byte."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

RNG = np.random.default_rng(8)


def saved(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def noise(height, width, channels, most=255):
    return RNG.integers(0, most + 1, (height, width, channels))


def bits_packed(rows, bits):
    """Samples [height, width] as rows of whole bytes."""
    each = (np.asarray(rows)[:, :, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(each.astype(np.uint8).reshape(len(rows), -1), axis=1)


# BMP


def bmp(bits, rows, palette=b"", compression=0, header=40, masks=(), topdown=False, size=None, colours=0, gap=0):
    """A file from rows of bytes, the lowest first."""
    height, width = size
    if header == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", 40, width, -height if topdown else height, 1, bits, compression, 0, 0, 0,
                           colours, 0)
        head = struct.pack("<I", header) + head[4:]
        fields = struct.pack(f"<{len(masks)}I", *masks)
        head += fields + bytes(max(0, header - 40 - len(fields)))
    offset = 14 + len(head) + len(palette) + gap
    data = head + palette + bytes(gap) + rows
    return b"BM" + struct.pack("<IHHI", 14 + len(data), 0, 0, offset) + data


def padded(rows):
    return b"".join(bytes(row) + bytes(-len(row) % 4) for row in rows)


def run_lengths(rows, four):
    """Run lengths of every kind: runs, single pixels, ends of lines, a step over pixels, and the end."""
    out = b""
    for y, row in enumerate(rows):
        if y == 2:
            out += bytes([0, 2, 3, 1])  # three to the right and one up
            row = row[3:]
        elif y == 3:
            continue
        half = len(row) // 2
        for value in row[:half]:
            out += bytes([1, value << 4 | value if four else value])
        rest = row[half:]
        if len(rest) > 2:
            if four:
                pairs = list(rest) + [0] * (len(rest) % 2)
                data = bytes(a << 4 | b for a, b in zip(pairs[::2], pairs[1::2]))
            else:
                data = bytes(rest)
            out += bytes([0, len(rest)]) + data + bytes(len(data) % 2)
        out += bytes([5, 0x21 if four else 7, 0, 0])  # longer than the row
    return out + b"\0\1"


def bmps(good):
    colours = RNG.integers(0, 256, (256, 4)).astype(np.uint8)
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 4, 1)
    for bits in (1, 4, 8):
        size = (7, 13)
        samples = noise(*size, 1, (1 << bits) - 1)[:, :, 0]
        rows = padded(bits_packed(samples, bits))
        palette = colours[: 1 << bits].tobytes()
        good(f"bmp-{bits}.bmp", bmp(bits, rows, palette, size=size))
        good(f"bmp-{bits}-down.bmp", bmp(bits, rows, palette, size=size, topdown=True))
        good(f"bmp-{bits}-old.bmp", bmp(bits, rows, colours[: 1 << bits, :3].tobytes(), size=size, header=12))
        good(f"bmp-{bits}-few.bmp", bmp(bits, rows, palette[: 4 << bits - 1], size=size, colours=1 << bits - 1))
    good("bmp-1-grey.bmp", bmp(1, rows[: 7 * 4], bytes([0, 0, 0, 0, 255, 255, 255, 0]), size=(7, 13)))
    good("bmp-8-grey.bmp", bmp(8, rows, greys.tobytes(), size=(7, 13)))
    good("bmp-8-gap.bmp", bmp(8, rows, colours.tobytes(), size=(7, 13), gap=5))
    good("bmp-8-two-greys.bmp", bmp(8, rows, bytes([0, 0, 0, 0, 255, 255, 255, 0]), size=(7, 13), colours=2))
    for name, four in (("8", False), ("4", True)):
        samples = noise(9, 11, 1, 15)[:, :, 0]
        data = run_lengths(samples.tolist(), four)
        options = {"compression": 2 if four else 1, "size": (9, 11)}
        table = 16 if four else 256
        good(f"bmp-rle{name}.bmp", bmp(int(name), data, colours[:table].tobytes(), **options))
        good(f"bmp-rle{name}-down.bmp", bmp(int(name), data, colours[:table].tobytes(), topdown=True, **options))
    good("bmp-rle8-grey.bmp", bmp(8, run_lengths(samples.tolist(), False), greys.tobytes(), compression=1, size=(9, 11)))
    every = np.arange(65536, dtype="<u2").reshape(256, 256)[::3, ::7]
    wide = padded(row.tobytes() for row in every)
    size = every.shape
    good("bmp-16.bmp", bmp(16, wide, size=size))
    good("bmp-565.bmp", bmp(16, wide, compression=3, header=56, masks=(0xF800, 0x7E0, 0x1F, 0), size=size))
    good("bmp-555.bmp", bmp(16, wide, struct.pack("<3I", 0x7C00, 0x3E0, 0x1F), compression=3, size=size))
    rows = padded(noise(5, 7, 3).astype(np.uint8).reshape(5, -1))
    good("bmp-24.bmp", bmp(24, rows, size=(5, 7)))
    good("bmp-24-old.bmp", bmp(24, rows, size=(5, 7), header=12))
    good("bmp-24-masks.bmp", bmp(24, rows, compression=3, header=52, masks=(0xFF0000, 0xFF00, 0xFF), size=(5, 7)))
    rows = padded(noise(5, 7, 4).astype(np.uint8).reshape(5, -1))
    good("bmp-32.bmp", bmp(32, rows, size=(5, 7)))
    for at, masks in enumerate([
        (0xFF0000, 0xFF00, 0xFF, 0), (0xFF000000, 0xFF0000, 0xFF00, 0), (0xFF000000, 0xFF00, 0xFF, 0),
        (0xFF000000, 0xFF0000, 0xFF00, 0xFF), (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
        (0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0xFF000000, 0xFF00, 0xFF, 0xFF0000), (0, 0, 0, 0),
    ]):
        good(f"bmp-32-masks-{at}.bmp", bmp(32, rows, compression=3, header=(108, 124, 56, 64)[at % 4], masks=masks, size=(5, 7)))
    scene = Image.fromarray(noise(9, 6, 3).astype(np.uint8))
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        good(f"bmp-saved-{mode}.bmp", saved(scene.convert(mode), "BMP"))


# PNM


def pnms(good):
    good("pnm-p1.pbm", b"P1\n# a comment\n5 3\n10110 0 1 1 0 1\n# another\n11111")
    good("pnm-p2.pgm", b"P2 3 2 255\n0 12 255 7\n34 3#4 5\n5")
    good("pnm-p2-levels.pgm", b"P2\n3\t2\r15\n0 1 2 3 14 15")
    good("pnm-p2-many.pgm", b"P2 3 2 1000\n0 1 2 3 4 1000")
    good("pnm-p3.ppm", b"P3 2 2 100 " + b" ".join(b"%d" % n for n in RNG.integers(0, 101, 12)))
    good("pnm-p4.pbm", b"P4 13 3\n" + noise(3, 2, 1).astype(np.uint8).tobytes())
    good("pnm-p5.pgm", b"P5 7 3 255\n" + noise(3, 7, 1).astype(np.uint8).tobytes())
    good("pnm-p5-100.pgm", b"P5 7 3 100\n" + noise(3, 7, 1).astype(np.uint8).tobytes())
    good("pnm-p5-all.pgm", b"P5 256 1 77\n" + bytes(range(256)))
    good("pnm-p5-300.pgm", b"P5 7 3 300\n" + noise(3, 7, 1, 3).astype(">u2").tobytes())
    good("pnm-p5-65535.pgm", b"P5 7 3 65535\n" + noise(3, 7, 1, 400).astype(">u2").tobytes())
    good("pnm-p6.ppm", b"P6\n#c\n5#d\n 4\n255\n" + noise(4, 5, 3).astype(np.uint8).tobytes())
    good("pnm-p6-31.ppm", b"P6 5 4 31\n" + noise(4, 5, 3, 40).astype(np.uint8).tobytes())
    good("pnm-p6-1000.ppm", b"P6 5 4 1000\n" + noise(4, 5, 3, 1200).astype(">u2").tobytes())
    good("pnm-p6-65535.ppm", b"P6 5 4 65535\n" + noise(4, 5, 3, 65535).astype(">u2").tobytes())
    floats = (RNG.random((3, 5)) * 400 - 70).astype(np.float32)
    good("pnm-pf.pfm", b"Pf 5 3 -1.0\n" + floats.astype("<f4").tobytes())
    good("pnm-pf-big.pfm", b"Pf 5 3 2.5\n" + floats.astype(">f4").tobytes())


# QOI


def qois(good, scene):
    smooth = scene(37, 23)
    good("qoi-rgb.qoi", saved(smooth, "QOI"))
    rgba = np.dstack([np.asarray(smooth), noise(23, 37, 1, 3).astype(np.uint8) * 85])
    rgba[:4, :30] = (1, 2, 3, 4)
    good("qoi-rgba.qoi", saved(Image.fromarray(rgba), "QOI"))
    head = b"qoif" + struct.pack(">IIBB", 5, 2, 3, 0)
    good("qoi-codes.qoi", head + bytes([0xC1, 0xFE, 9, 8, 7, 0x6A, 0xAA, 0x37, 0, 0x3F, 0xFD]) + b"\0" * 7 + b"\1")


# ICO


def ico(entries):
    """A file from (width, height, colours, bits, data) of entries."""
    head, data = struct.pack("<HHH", 0, 1, len(entries)), b""
    for width, height, colours, bits, icon in entries:
        offset = 6 + 16 * len(entries) + len(data)
        head += struct.pack("<BBBBHHII", width & 255, height & 255, colours, 0, 1, bits, len(icon), offset)
        data += icon
    return head + data


def bitmap(bits, rows, palette, size, mask):
    file = bmp(bits, rows, palette, size=(2 * size[0], size[1]))
    return file[14:] + mask


def icos(good, png):
    colours = RNG.integers(0, 256, (256, 4)).astype(np.uint8)

    def icon(bits, size=(9, 11)):
        mask = padded(noise(size[0], (size[1] + 7) // 8, 1).astype(np.uint8)[:, :, 0])
        if bits <= 8:
            samples = noise(*size, 1, (1 << bits) - 1)[:, :, 0]
            return bitmap(bits, padded(bits_packed(samples, bits)), colours[: 1 << bits].tobytes(), size, mask)
        return bitmap(bits, padded(noise(size[0], size[1] * bits // 8, 1).astype(np.uint8)[:, :, 0]), b"", size, mask)

    for bits in (1, 4, 8, 16, 24, 32):
        good(f"ico-{bits}.ico", ico([(11, 9, 0, bits, icon(bits))]))
    good("ico-32-mask.ico", ico([(11, 9, 0, 24, icon(32))]))
    # The largest; of those, the one with the fewest colours; the list's sizes may lie.
    good("ico-several.ico", ico([(8, 8, 0, 8, icon(8, (8, 8))), (11, 9, 0, 24, icon(24)), (11, 9, 0, 8, icon(8)),
                                 (9, 11, 16, 0, icon(4, (11, 9))), (9, 9, 0, 1, icon(1, (9, 9)))]))
    good("ico-lies.ico", ico([(0, 0, 0, 8, icon(8))]))
    for name, kwargs in png.items():
        good(f"ico-png-{name}.ico", ico([(16, 16, 0, 32, kwargs)]))
    good("ico-saved.ico", saved(Image.fromarray(noise(40, 40, 4).astype(np.uint8)), "ICO", sizes=[(16, 16), (32, 32)]))


# GIF


def codes(samples, bits):
    """LZW codes of samples, each as it is: the table is cleared before it would need longer codes."""
    size, clear = bits + 1, 1 << bits
    out, held, count, since = 0, 0, 0, 0
    data = bytearray()

    def put(code):
        nonlocal held, count
        held |= code << count
        count += size
        while count >= 8:
            data.append(held & 255)
            held >>= 8
            count -= 8

    for sample in samples:
        if since % max(1, (1 << bits) - 2) == 0:
            put(clear)
        put(int(sample))
        since += 1
    put(clear + 1)
    data.append(held & 255)
    return bytes([bits]) + b"".join(bytes([len(data[at : at + 100])]) + data[at : at + 100]
                                    for at in range(0, len(data), 100)) + b"\0"


def gif_frame(samples, bits, place=(0, 0), palette=None, interlaced=False, transparency=None, disposal=0, control=True):
    height, width = samples.shape
    out = b""
    if control:
        flags = disposal << 2 | (transparency is not None)
        out += b"!\xf9\4" + bytes([flags, 5, 0, transparency or 0, 0])
    flags = 0x40 * interlaced
    table = b""
    if palette is not None:
        flags |= 0x80 | (len(palette) // 3).bit_length() - 2
        table = palette
    rows = [samples[first::step] for first, step in ((0, 8), (4, 8), (2, 4), (1, 2))] if interlaced else [samples]
    out += b"," + struct.pack("<HHHHB", *place, width, height, flags) + table
    return out + codes(np.concatenate(rows).ravel(), bits)


def gif(size, frames, palette=None, background=0):
    flags = 0 if palette is None else 0x80 | (len(palette) // 3).bit_length() - 2
    head = b"GIF89a" + struct.pack("<HHBBB", *size, flags, background, 0) + (palette or b"")
    return head + b"!\xfe\5hello\0" + b"".join(frames) + b";"


def gifs(good, scene):
    table = RNG.integers(0, 256, (256, 3)).astype(np.uint8).tobytes()
    greys = np.repeat(np.arange(256, dtype=np.uint8), 3).tobytes()

    def part(height, width, bits):
        return noise(height, width, 1, (1 << bits) - 1)[:, :, 0]

    for bits in (2, 4, 8):
        for interlaced in (False, True):
            frame = gif_frame(part(13, 17, bits), bits, interlaced=interlaced)
            good(f"gif-{bits}{'-interlaced' * interlaced}.gif", gif((17, 13), [frame], table[: 3 << bits]))
    good("gif-transparent.gif", gif((17, 13), [gif_frame(part(13, 17, 2), 2, transparency=1)], table[:12]))
    good("gif-grey.gif", gif((9, 5), [gif_frame(part(5, 9, 4), 4)], greys[:48]))
    good("gif-grey-transparent.gif", gif((9, 5), [gif_frame(part(5, 9, 4), 4, transparency=3)], greys[:48]))
    good("gif-no-palette.gif", gif((9, 5), [gif_frame(part(5, 9, 4), 4)]))
    good("gif-local.gif", gif((9, 5), [gif_frame(part(5, 9, 4), 4, palette=table[48:96])], table[:48]))
    good("gif-part.gif", gif((12, 9), [gif_frame(part(4, 5, 2), 2, place=(3, 2))], table[:12], background=2))
    good("gif-part-transparent.gif", gif((12, 9), [gif_frame(part(4, 5, 2), 2, (3, 2), transparency=2)], table[:12]))
    good("gif-outside.gif", gif((6, 5), [gif_frame(part(4, 5, 2), 2, place=(3, 2))], table[:12]))
    good("gif-short-palette.gif", gif((9, 5), [gif_frame(part(5, 9, 4), 4)], table[:12]))
    good("gif-saved.gif", saved(scene(40, 30), "GIF"))
    good("gif-one-pixel.gif", gif((1, 1), [gif_frame(part(1, 1, 2), 2)], table[:12]))
    # Frames upon each other: what each leaves behind, and colours of their own.
    for first in (None, 1):
        for disposal in (0, 1, 2, 3):
            frames = [gif_frame(part(9, 12, 2), 2, transparency=first, disposal=disposal)]
            for at in range(4):
                place = (int(RNG.integers(0, 6)), int(RNG.integers(0, 4)))
                frames.append(gif_frame(part(5, 6, 2), 2, place, table[12 * at + 12 : 12 * at + 24] if at % 2 else None,
                                        transparency=(None, 2, 0, 3)[at], disposal=(disposal, 2, 3, 1)[at]))
            name = f"gif-frames-{disposal}{'' if first is None else '-transparent'}.gif"
            good(name, gif((12, 9), frames, table[:12], background=3))
            # In greys alone; Pillow cannot make colours of transparent greys.
            frames = [gif_frame(part(9, 12, 2), 2, transparency=first, disposal=disposal)]
            for at in range(3):
                transparency, left = (None, 2, 0)[at], (disposal, 2, 3)[at]
                frames.append(gif_frame(part(5, 6, 2), 2, (at, at), transparency=transparency, disposal=left))
            good(name.replace("frames", "grey-frames"), gif((12, 9), frames, greys[:12], background=3))
    grown = [gif_frame(part(4, 4, 2), 2), gif_frame(part(5, 5, 2), 2, (2, 2)),
             gif_frame(part(5, 5, 2), 2, (5, 1), transparency=1), gif_frame(part(2, 2, 2), 2, (9, 9), transparency=1)]
    good("gif-grows.gif", gif((4, 4), grown, table[:12]))


# WebP


def webp_chunk(kind, data):
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def webp_chunks(file):
    at = 12
    while at + 8 <= len(file):
        length = struct.unpack("<I", file[at + 4 : at + 8])[0]
        yield file[at : at + 4], file[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def webp_file(chunks):
    data = b"WEBP" + b"".join(webp_chunk(*chunk) for chunk in chunks)
    return b"RIFF" + struct.pack("<I", len(data)) + data


def webp_extended(size, flags):
    return b"VP8X", bytes([flags, 0, 0, 0]) + (size[0] - 1).to_bytes(3, "little") + (size[1] - 1).to_bytes(3, "little")


def webp_animation(size, frames, flags):
    """A file from (place, picture, duration's flags, options) of frames."""
    out = [webp_extended(size, flags | 2), (b"ANIM", bytes(6))]
    for (x, y), picture, bits, options in frames:
        coded = [c for c in webp_chunks(saved(picture, "WEBP", **options)) if c[0] in (b"ALPH", b"VP8 ", b"VP8L")]
        sides = [n.to_bytes(3, "little") for n in (x // 2, y // 2, picture.width - 1, picture.height - 1)]
        out.append((b"ANMF", b"".join(sides) + b"\x50\0\0" + bytes([bits]) + b"".join(webp_chunk(*c) for c in coded)))
    return webp_file(out)


def webps(good, scene, exif):
    def with_alpha(width, height):
        alpha = np.clip(noise(height, width, 1, 340) - 40, 0, 255).astype(np.uint8)
        return Image.fromarray(np.dstack([np.asarray(scene(width, height)), alpha]))

    for size in ((1, 1), (17, 1), (3, 33), (16, 16), (37, 29), (48, 64)):
        good(f"webp-lossy-{size[0]}x{size[1]}.webp", saved(scene(*size), "WEBP", quality=80))
        good(f"webp-lossless-{size[0]}x{size[1]}.webp", saved(scene(*size), "WEBP", lossless=True))
    for quality in (0, 30, 100):
        good(f"webp-quality-{quality}.webp", saved(scene(51, 39), "WEBP", quality=quality, method=6))
    good("webp-lossy-alpha.webp", saved(with_alpha(37, 29), "WEBP", quality=70))
    good("webp-lossy-coarse-alpha.webp", saved(with_alpha(37, 29), "WEBP", quality=70, alpha_quality=30))
    good("webp-lossless-alpha.webp", saved(with_alpha(37, 29), "WEBP", lossless=True, exact=True))
    few = Image.fromarray(noise(20, 31, 3, 1).astype(np.uint8) * 200)
    good("webp-lossless-few.webp", saved(few, "WEBP", lossless=True, method=6))
    good("webp-lossless-grey.webp", saved(scene(30, 31).convert("L"), "WEBP", lossless=True, method=6))
    lossy = dict(webp_chunks(saved(scene(12, 9), "WEBP")))[b"VP8 "]
    for number in range(1, 9):
        tiff = exif((3, 1, number))
        good(f"webp-exif-{number}.webp", webp_file([webp_extended((12, 9), 8), (b"VP8 ", lossy), (b"EXIF", tiff)]))
    tiff = exif((3, 1, 6))
    good("webp-exif-unsaid.webp", webp_file([webp_extended((12, 9), 0), (b"VP8 ", lossy), (b"EXIF", tiff)]))
    xmp = b'<rdf:Description tiff:Orientation="8"/>'
    good("webp-xmp.webp", webp_file([webp_extended((12, 9), 4), (b"VP8 ", lossy), (b"XMP ", xmp)]))
    # Frames: blended (0) or not (2), cleared behind them (1); lossy and lossless, with alpha and without.
    for name, flags in (("", 0x10), ("-opaque", 0)):
        frames = [((0, 0), with_alpha(24, 18), 0, {"lossless": True})]
        for at, bits in enumerate((0, 1, 2, 3, 0, 1, 0)):
            place = (2 * int(RNG.integers(0, 6)), 2 * int(RNG.integers(0, 4)))
            options = ({"lossless": True, "exact": True}, {"quality": 60})[at % 2]
            frames.append((place, with_alpha(11, 9) if at != 4 else scene(11, 9), bits, options))
        frames.append(((0, 0), with_alpha(24, 18), 1, {"quality": 90}))
        frames.append(((4, 4), with_alpha(11, 9), 0, {"quality": 90}))
        good(f"webp-frames{name}.webp", webp_animation((24, 18), frames, flags))
    good("webp-first-part.webp", webp_animation((24, 18), [((4, 2), with_alpha(11, 9), 0, {"lossless": True})], 0x10))
    pictures = [with_alpha(20, 14) for _ in range(4)]
    good("webp-saved-frames.webp", saved(pictures[0], "WEBP", save_all=True, append_images=pictures[1:], lossless=True))


def bads(bad, scene):
    """Files that are refused: by their headers, for what is missing, for what Pillow reads and this program does not."""
    picture = scene(40, 30)
    side = 50_000
    bad("bomb.bmp", "too many pixels", bmp(24, b"", size=(side, side)))
    bad("bomb.gif", "too many pixels", gif((65_535, 65_535), [gif_frame(noise(2, 2, 1, 3)[:, :, 0], 2)]))
    bad("bomb-frame.gif", "too many pixels", gif((1, 1), [gif_frame(noise(2, 2, 1, 3)[:, :, 0], 2, (65_000, 65_000))]))
    bad("bomb.qoi", "too many pixels", b"qoif" + struct.pack(">IIBB", side, side, 3, 0))
    bad("bomb.ppm", "too many pixels", b"P6 4000000000 4000000000 255\n")
    bad("bomb.webp", "too many pixels", webp_file([webp_extended((1 << 24, 1 << 24), 0)]))
    bad("bomb-lossless.webp", "too many pixels", webp_file([(b"VP8L", b"\x2f\xff\xff\xff\x0f")]))
    icon = bmp(24, b"", size=(side, side))[14:]
    bad("bomb.ico", "too many pixels", ico([(16, 16, 0, 24, icon)]))
    for kind, options in (("BMP", {}), ("GIF", {}), ("QOI", {}), ("PPM", {}), ("WEBP", {"lossless": True}), ("ICO", {})):
        data = saved(picture, kind, **options)
        bad(f"cut.{kind.lower()}", "truncated", data[: len(data) * 2 // 3])
        bad(f"cut-head.{kind.lower()}", "truncated", data[:13])
        if kind not in ("GIF", "QOI", "ICO"):
            bad(f"cut-end.{kind.lower()}", "truncated", data[:-3])
    bad("zero.bmp", "zero size", bmp(24, b"", size=(0, 5)))
    bad("zero.qoi", "zero size", b"qoif" + struct.pack(">IIBB", 0, 5, 3, 0))
    bad("zero.pgm", "zero size", b"P5 0 5 255\n")
    bad("two-bits.bmp", "unsupported", bmp(2, bytes(8), bytes(16), size=(2, 2)))
    bad("jpeg-inside.bmp", "unsupported", bmp(24, bytes(8), compression=4, size=(2, 2)))
    bad("masks.bmp", "unsupported", bmp(32, bytes(16), compression=3, header=56, masks=(1, 2, 4, 8), size=(2, 2)))
    bad("level.pgm", "corrupt", b"P2 2 1 15\n3 16\n")
    bad("words.pgm", "corrupt", b"P2 2 x 15\n3 16\n")
    bad("no-icon.ico", "corrupt", ico([]))
    bad("no-frame.gif", "truncated", gif((5, 5), []))
    bad("no-frame.webp", "truncated", webp_file([webp_extended((5, 5), 2), (b"ANIM", bytes(6))]))
    small = saved(scene(4, 4), "WEBP", lossless=True)
    outside = webp_animation((8, 8), [((6, 6), scene(4, 4), 0, {"lossless": True})], 0)
    bad("outside.webp", "corrupt", outside)
    other = list(webp_chunks(small))
    bad("two-sizes.webp", "corrupt", webp_file([webp_extended((5, 5), 0), *other]))
    bad("named.pam.ppm", "format", b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nENDHDR\n\0")


def formats(good, scene, exif, png_files):
    bmps(good)
    pnms(good)
    qois(good, scene)
    icos(good, png_files)
    gifs(good, scene)
    webps(good, scene, exif)
