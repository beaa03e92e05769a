"""Small pictures of every kind, and what Pillow and transformers make of them, for crates/processor/tests/pictures.rs.

    pip install pillow numpy transformers
    python scripts/make_pictures.py [golden/pictures]

Writes files of every kind, good and bad (of other formats than PNG and JPEG by picture_formats.py and
picture_tiffs.py, JPEG of any sampling by picture_jpegs.py), and
    pictures.json   for every good file its size and the CRC-32 of its RGB samples u8 [height, width, 3]: `white` as
                    `convert_to_rgb` of transformers gives them after `ImageOps.exif_transpose`, `drop` as Pillow's
                    `convert("RGB")` does, and `frames`, the same of every frame behind the first; for every bad one the kind
                    of refusal
    resample.json   the CRC-32 of pictures of noise resized with Image.LANCZOS; sample i of the noise is byte 3 of
                    (i + 1) * 2654435761 modulo 2^32, exclusive-or bits 7 to 14 of i
"""

import io
import json
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL
import picture_formats
import picture_jpegs
import picture_tiffs
from PIL import Image, ImageDraw, ImageOps
from transformers.image_transforms import convert_to_rgb

warnings.simplefilter("ignore")
OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "golden/pictures")
RNG = np.random.default_rng(7)
GOOD, BAD = {}, {}


def scene(width, height):
    """Something with edges, slopes and a little noise."""
    y, x = np.mgrid[0:height, 0:width]
    slope = np.stack([255 * x / max(width - 1, 1), 255 * y / max(height - 1, 1), 127 + 120 * np.sin((x + y) / 5)], -1)
    picture = Image.fromarray(np.clip(slope + RNG.normal(0, 6, slope.shape), 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    draw.ellipse([width // 4, height // 4, width // 2, height // 2], fill=(250, 20, 30))
    if min(width, height) > 8:
        draw.rectangle([width // 2, height // 3, width - 2, height - 3], fill=(10, 30, 220))
    return picture


def good(name, data):
    def case(frame):
        def read():
            picture = Image.open(io.BytesIO(data))
            picture.seek(frame)
            return ImageOps.exif_transpose(picture)

        white, drop = convert_to_rgb(read(), return_numpy=True), np.asarray(read().convert("RGB"))
        assert white.shape == drop.shape
        digest = [zlib.crc32(np.ascontiguousarray(rgb).tobytes()) for rgb in (white, drop)]
        return {"width": white.shape[1], "height": white.shape[0], "white": digest[0], "drop": digest[1]}

    GOOD[name] = case(0)
    frames = getattr(Image.open(io.BytesIO(data)), "n_frames", 1)
    if frames > 1:
        GOOD[name]["frames"] = [case(frame) for frame in range(1, frames)]
    (OUT / name).write_bytes(data)


def bad(name, refusal, data):
    BAD[name] = refusal
    (OUT / name).write_bytes(data)


# PNG, written here byte by byte: Pillow cannot write half of the kinds.

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed(samples, bits):
    """Rows [height, width * channels] as bytes, each with filter 0, 1 or 2 in turn (Sub and Up: also of wide pixels)."""
    out = []
    for row in samples:
        if bits == 16:
            data = row.astype(">u2").tobytes()
        elif bits == 8:
            data = row.astype(np.uint8).tobytes()
        else:
            each = (row[:, None] >> np.arange(bits - 1, -1, -1)) & 1
            data = np.packbits(each.astype(np.uint8).ravel()).tobytes()
        out.append(data)
    return out


def filtered(rows, pixel):
    out, above = b"", None
    for at, row in enumerate(rows):
        kind = at % 3 if above is not None else at % 2
        left = bytes(pixel) + row
        other = {0: bytes(len(row)), 1: left, 2: above}[kind]
        out += bytes([kind]) + bytes((a - b) & 255 for a, b in zip(row, other))
        above = row
    return out


def png(color, bits, samples, interlaced=False, extra=b"", size=None, after=b""):
    """A file from samples [height, width, channels]."""
    height, width, channels = samples.shape
    pixel = max(1, channels * bits // 8)
    if interlaced:
        data = b""
        for x, y, dx, dy in PASSES:
            part = samples[y::dy, x::dx]
            if part.size:
                data += filtered(packed(part.reshape(part.shape[0], -1), bits), pixel)
    else:
        data = filtered(packed(samples.reshape(height, -1), bits), pixel)
    width, height = size or (width, height)
    head = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, int(interlaced))
    data = zlib.compress(data, 9)
    half = len(data) // 2  # two chunks of image data
    body = chunk(b"IDAT", data[:half]) + chunk(b"IDAT", data[half:]) + after + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + body


def noise(color, bits, width=19, height=13, most=None):
    """Samples that take all values, smooth enough for runs of equal ones to occur."""
    most = (1 << bits) - 1 if most is None else most
    return RNG.integers(0, most + 1, (height, width, CHANNELS[color]))


def pngs():
    colours = RNG.integers(0, 256, (256, 3)).astype(np.uint8).tobytes()
    for interlaced in (False, True):
        tail = "-interlaced" if interlaced else ""
        for bits in (1, 2, 4, 8, 16):
            good(f"grey{bits}{tail}.png", png(GREY, bits, noise(GREY, bits), interlaced))
        for bits in (1, 2, 4, 8):
            plte = chunk(b"PLTE", colours[: 3 << bits])
            good(f"palette{bits}{tail}.png", png(PALETTE, bits, noise(PALETTE, bits), interlaced, plte))
            alphas = chunk(b"tRNS", RNG.integers(0, 256, 1 << bits).astype(np.uint8).tobytes())
            good(f"palette{bits}-alpha{tail}.png", png(PALETTE, bits, noise(PALETTE, bits), interlaced, plte + alphas))
        for bits in (8, 16):
            for name, color in (("rgb", RGB), ("grey-alpha", GREY_ALPHA), ("rgba", RGBA)):
                good(f"{name}{bits}{tail}.png", png(color, bits, noise(color, bits), interlaced))
    # 16-bit grey is clipped at 255, so that low values matter; a transparent colour is compared by its low byte.
    low = noise(GREY, 16, most=400)
    good("grey16-low.png", png(GREY, 16, low))
    for value in (0, 7, 255, 256 + 9, 0x8000, 0xFFFF):
        good(f"grey16-trns-{value}.png", png(GREY, 16, low, extra=chunk(b"tRNS", struct.pack(">H", value))))
    for bits, value in ((1, 0), (1, 1), (2, 0), (2, 2), (2, 170), (4, 0), (4, 15), (4, 17), (8, 200), (8, 456)):
        samples = noise(GREY, bits) if bits < 8 else noise(GREY, 8) // 50 * 50
        data = png(GREY, bits, samples, extra=chunk(b"tRNS", struct.pack(">H", value)))
        good(f"grey{bits}-trns-{value}.png", data)
    few = noise(RGB, 8, most=1) * 200 + 3
    good("rgb8-trns.png", png(RGB, 8, few, extra=chunk(b"tRNS", struct.pack(">3H", 203, 3, 203))))
    good("rgb8-trns-high.png", png(RGB, 8, few, extra=chunk(b"tRNS", struct.pack(">3H", 459, 259, 3))))
    few = noise(RGB, 16, most=1) * 0x4000 + 0x0203
    good("rgb16-trns.png", png(RGB, 16, few, extra=chunk(b"tRNS", struct.pack(">3H", 0x4203, 0x203, 0x203))))
    good("rgb16-trns-low.png", png(RGB, 16, few, extra=chunk(b"tRNS", struct.pack(">3H", 0x42, 0x2, 0x2))))
    # Palettes that are shorter than the indices, with one transparent colour, and with the pattern's newline.
    few = noise(PALETTE, 8, most=9)
    five = chunk(b"PLTE", colours[:15])
    good("palette-short.png", png(PALETTE, 8, few, extra=five))
    good("palette-missing.png", png(PALETTE, 8, few))
    for name, alphas in (("one", [255, 255, 0]), ("newline", [255, 0, 10]), ("not-newline", [255, 128, 10]),
                         ("first", [0]), ("none", [255, 255])):
        good(f"palette-{name}.png", png(PALETTE, 8, few, extra=five + chunk(b"tRNS", bytes(alphas))))
    # Every pair of sample and alpha.
    pairs = np.stack(np.meshgrid(np.arange(256), np.arange(256)), -1)
    good("composition.png", png(GREY_ALPHA, 8, pairs))
    # What is ignored: gamma, a profile, text, bytes behind the end, another order of chunks.
    rgb = noise(RGB, 8)
    extras = chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"pHYs", struct.pack(">IIB", 1, 2, 1))
    extras += chunk(b"iCCP", b"x\0\0" + zlib.compress(b"no profile")) + chunk(b"tEXt", b"Comment\0hello")
    good("extras.png", png(RGB, 8, rgb, extra=extras) + b"more bytes")
    good("late-trns.png", png(GREY, 8, noise(GREY, 8) // 100 * 100, after=chunk(b"tRNS", b"\0\x64")))
    good("one-pixel.png", png(RGBA, 8, noise(RGBA, 8, 1, 1)))
    good("one-column.png", png(GREY, 1, noise(GREY, 1, 1, 50), True))
    good("one-row.png", png(RGB, 8, noise(RGB, 8, 300, 1)))


def jpegs():
    def jpeg(picture, **options):
        file = io.BytesIO()
        picture.save(file, "JPEG", **options)
        return file.getvalue()

    for size in ((64, 48), (37, 29), (1, 1), (17, 1), (3, 50)):
        picture = scene(*size)
        for name, sampling in (("444", "4:4:4"), ("422", "4:2:2"), ("420", "4:2:0"), ("411", "4:1:1"), ("440", None)):
            for progressive in (False, True):
                # Pillow has no 4:4:0: turned by its tables, 4:2:2 in the header is patched below.
                data = jpeg(picture, quality=88, subsampling=sampling or "4:2:2", progressive=progressive)
                if sampling is None:
                    if size != (64, 48):
                        continue
                    data = upright(jpeg(picture, quality=88, subsampling="4:2:2", progressive=progressive))
                tail = "-progressive" if progressive else ""
                good(f"{name}-{size[0]}x{size[1]}{tail}.jpg", data)
    picture = scene(53, 41)
    for quality in (1, 30, 100):
        good(f"quality-{quality}.jpg", jpeg(picture, quality=quality))
    good("grey.jpg", jpeg(picture.convert("L"), quality=80))
    good("grey-progressive.jpg", jpeg(picture.convert("L"), quality=80, progressive=True))
    good("cmyk.jpg", jpeg(picture.convert("CMYK"), quality=90))
    good("cmyk-progressive.jpg", jpeg(picture.convert("CMYK"), quality=90, progressive=True))
    # The same samples read as YCCK: Adobe's marker says transform 2.
    adobe = b"Adobe\0\x64\0\0\0\0"
    data = jpeg(picture.convert("CMYK"), quality=90)
    assert data.count(adobe) == 1
    good("ycck.jpg", data.replace(adobe + b"\0", adobe + b"\2"))
    good("cmyk-no-adobe.jpg", without(data, 0xEE))
    good("rgb.jpg", jpeg(picture, quality=90, keep_rgb=True))
    good("restart.jpg", jpeg(picture, quality=85, restart_marker_blocks=1))
    good("restart-rows.jpg", jpeg(picture, quality=85, restart_marker_rows=1, progressive=True))
    good("optimised.jpg", jpeg(picture, quality=85, optimize=True, comment=b"a comment", icc_profile=b"no profile"))
    data = jpeg(picture, quality=85)
    good("trailing.jpg", data + b"more bytes\xff\xd9\xff")
    scan = data.index(b"\xff\xda")
    # The end comes too early: Pillow fills up with grey and does not complain, so neither do we.
    good("early-end.jpg", data[: scan + 300] + b"\xff\xd9")


def segments(data):
    """(marker, start, end) of every segment up to the first scan."""
    at = 2
    while True:
        length = struct.unpack(">H", data[at + 2 : at + 4])[0] + 2
        yield data[at + 1], at, at + length
        at += length
        if data[at + 1] == 0xDA:
            return


def without(data, marker):
    return b"".join([data[:2], *(data[a:b] for m, a, b in segments(data) if m != marker), data[b_end(data):]])


def b_end(data):
    return list(segments(data))[-1][2]


def upright(data):
    """4:2:2 with the two sampling factors of the first component exchanged: 4:4:0 for a square grid of blocks."""
    out = bytearray(data)
    for marker, start, _ in segments(data):
        if marker in (0xC0, 0xC2):
            assert out[start + 11] == 0x21
            out[start + 11] = 0x12
    return bytes(out)


def exif(entry, little=True):
    order = "<" if little else ">"
    head = b"II*\0" if little else b"MM\0*"
    kind, count, value = entry
    if kind == 3 and count == 1:
        value = struct.pack(order + "HH", value, 0)
    return head + struct.pack(order + "IHHHI", 8, 1, 0x0112, kind, count) + value + bytes(4)


def orientations():
    picture = scene(24, 16)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95)
    jpeg = file.getvalue()
    samples = noise(RGB, 8, 5, 3)

    def with_app1(data):
        return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data + jpeg[2:]

    for number in range(1, 9):
        tiff = exif((3, 1, number), little=number % 2 == 0)
        good(f"exif-{number}.jpg", with_app1(b"Exif\0\0" + tiff))
        good(f"exif-{number}.png", png(RGB, 8, samples, extra=chunk(b"eXIf", tiff)))
    good("exif-late.png", png(RGB, 8, samples, after=chunk(b"eXIf", exif((3, 1, 6)))))
    tiff = exif((3, 1, 6))
    for name, data in {
        "long": exif((4, 1, b"\6\0\0\0")), "byte": exif((1, 1, b"\6\0\0\0")), "two": exif((3, 2, b"\6\0\1\0")),
        "none": exif((3, 0, b"\6\0\0\0")), "far": exif((3, 3, b"\xff\xff\0\0")), "nine": exif((3, 1, 9)),
        "zero": exif((3, 1, 0)), "cut": tiff[:-5], "cut-head": tiff[:7], "garbage": b"garbage garbage", "empty": b"",
        "offset": tiff[:4] + b"\xff\xff\xff\x7f" + tiff[8:], "twice": b"Exif\0\0" + tiff, "odd": b"II\0*" + tiff[4:],
    }.items():
        good(f"exif-{name}.jpg", with_app1(b"Exif\0\0" + data))
    xmp = b'http://ns.adobe.com/xap/1.0/\0<rdf:Description tiff:Orientation="8"/>'
    good("xmp.jpg", with_app1(xmp))
    text = b'XML:com.adobe.xmp\0\0\0\0\0<rdf:Description tiff:Orientation="3"/>'
    good("xmp.png", png(RGB, 8, samples, extra=chunk(b"iTXt", text)))
    # As ImageMagick writes EXIF into texts.
    digits = exif((3, 1, 6)).hex()
    profile = f"\nexif\n{len(digits) // 2:8}\n{digits[:36]}\n{digits[36:]}\n".encode()
    good("exif-text.png", png(RGB, 8, samples, extra=chunk(b"tEXt", b"Raw profile type exif\0" + profile)))
    packed = b"Raw profile type exif\0\0" + zlib.compress(profile)
    good("exif-packed-text.png", png(RGB, 8, samples, after=chunk(b"zTXt", packed)))
    # The picture is turned before its alpha is composed.
    good("exif-alpha.png", png(RGBA, 8, noise(RGBA, 8, 6, 4), extra=chunk(b"eXIf", exif((3, 1, 7)))))


def bads():
    whole = png(RGB, 8, noise(RGB, 8))
    at = whole.index(b"IDAT")
    for name, end in (("signature", 8), ("header", 20), ("no-data", at - 4), ("data", at + 30)):
        bad(f"cut-{name}.png", "truncated", whole[:end])
    bad("crc-header.png", "corrupt", whole[:20] + b"\1" + whole[21:])
    bad("crc-data.png", "corrupt", whole[: at + 20] + bytes([whole[at + 20] ^ 1]) + whole[at + 21 :])
    extra = chunk(b"tEXt", b"Comment\0hello")
    bad("crc-text.png", "corrupt", png(RGB, 8, noise(RGB, 8), extra=extra[:-1] + bytes([extra[-1] ^ 1])))
    bad("garbage-data.png", "corrupt", whole[: at + 4] + bytes(len(whole) - at - 4))
    bad("zero-width.png", "zero size", png(RGB, 8, noise(RGB, 8), size=(0, 5)))
    bad("zero-height.png", "zero size", png(RGB, 8, noise(RGB, 8), size=(5, 0)))
    bad("bomb.png", "too many pixels", png(GREY, 1, noise(GREY, 1), size=(50_000, 50_000)))
    bad("huge.png", "too many pixels", png(RGBA, 16, noise(RGBA, 16), size=(0xFFFFFFFF, 0xFFFFFFFF)))
    bad("short-data.png", "corrupt", png(RGB, 8, noise(RGB, 8), size=(19, 14)))
    bad("depth.png", "corrupt", png(RGB, 4, noise(RGB, 4)))
    bad("short-trns.png", "corrupt", png(RGB, 8, noise(RGB, 8), extra=chunk(b"tRNS", b"\0\1")))
    file = io.BytesIO()
    scene(40, 30).save(file, "JPEG", quality=90)
    jpeg = file.getvalue()
    scan, frame = jpeg.index(b"\xff\xda"), jpeg.index(b"\xff\xc0")
    for name, end in (("start", 3), ("tables", 100), ("scan", scan + 5), ("data", scan + 200), ("end", len(jpeg) - 2),
                      ("half-end", len(jpeg) - 1)):
        bad(f"cut-{name}.jpg", "truncated", jpeg[:end])

    def patched(offset, value):
        return jpeg[: frame + offset] + value + jpeg[frame + offset + len(value) :]

    bad("zero-width.jpg", "zero size", patched(7, b"\0\0"))
    bad("zero-height.jpg", "zero size", patched(5, b"\0\0"))
    bad("bomb.jpg", "too many pixels", patched(5, b"\xff\xff\xff\xff"))
    bad("12-bit.jpg", "unsupported", patched(4, b"\x0c"))
    bad("lossless.jpg", "unsupported", patched(1, b"\xc3"))
    bad("arithmetic.jpg", "unsupported", patched(1, b"\xcb"))
    bad("two-components.jpg", "unsupported", patched(9, b"\2"))
    bad("no-tables.jpg", "corrupt", without(jpeg, 0xDB))
    bad("no-frame.jpg", "corrupt", without(jpeg, 0xC0))
    bad("garbage.jpg", "truncated", b"\xff\xd8\xff" + bytes(range(200)) * 5)
    picture = scene(8, 8)
    file = io.BytesIO()
    picture.save(file, "AVIF")
    bad("named.avif.png", "format", file.getvalue())
    bad("document.pdf", "format", b"%PDF-1.7\n")
    bad("vector.svg", "format", b'<svg xmlns="http://www.w3.org/2000/svg"/>')
    bad("page.html.jpg", "format", b"<!DOCTYPE html><title>Not found</title>")
    bad("empty.png", "format", b"")
    bad("text.png", "format", b"hello")


def png_in_icons():
    """PNG files for icons; their transparent colours count for nothing there."""
    colours = chunk(b"PLTE", bytes(range(48))) + chunk(b"tRNS", bytes([0, 128, 255]))
    return {"rgba": png(RGBA, 8, noise(RGBA, 8, 16, 16)), "palette": png(PALETTE, 4, noise(PALETTE, 4, 16, 16), extra=colours),
            "trns": png(GREY, 8, noise(GREY, 8, 16, 16, 3), extra=chunk(b"tRNS", b"\0\1"))}


def apng(color, bits, size, frames, extra=b"", default=None):
    """An animation from (place, samples, disposal, blend) of frames; `default` is a picture in front of them."""
    def stored(samples):
        return zlib.compress(filtered(packed(samples.reshape(len(samples), -1), bits), max(1, samples.shape[2] * bits // 8)))

    sequence = iter(range(1000))
    out = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, color, 0, 0, 0)) + extra
    out += chunk(b"acTL", struct.pack(">II", len(frames), 0))
    if default is not None:
        out += chunk(b"IDAT", stored(default))
    for at, ((x, y), samples, disposal, blend) in enumerate(frames):
        height, width, _ = samples.shape
        out += chunk(b"fcTL", struct.pack(">IIIIIHHBB", next(sequence), width, height, x, y, 1, 9, disposal, blend))
        if at == 0 and default is None:
            out += chunk(b"IDAT", stored(samples))
        else:
            out += chunk(b"fdAT", struct.pack(">I", next(sequence)) + stored(samples))
    return b"\x89PNG\r\n\x1a\n" + out + chunk(b"IEND", b"")


def apngs():
    colours = RNG.integers(0, 256, (16, 3)).astype(np.uint8).tobytes()
    palette = chunk(b"PLTE", colours)
    kinds = {
        "grey8": (GREY, 8, b""), "grey1": (GREY, 1, b""), "grey16": (GREY, 16, b""), "rgb8": (RGB, 8, b""),
        "rgb16": (RGB, 16, b""), "grey-alpha": (GREY_ALPHA, 8, b""), "rgba8": (RGBA, 8, b""), "rgba16": (RGBA, 16, b""),
        "palette4": (PALETTE, 4, palette),
        "palette4-alpha": (PALETTE, 4, palette + chunk(b"tRNS", RNG.integers(0, 256, 16).astype(np.uint8).tobytes())),
        "palette4-one": (PALETTE, 4, palette + chunk(b"tRNS", b"\xff\0\xff")),
        "rgb8-trns": (RGB, 8, chunk(b"tRNS", bytes(6))), "grey8-trns": (GREY, 8, chunk(b"tRNS", bytes(2))),
    }
    for name, (color, bits, extra) in kinds.items():
        most = {"rgb8-trns": 1, "grey8-trns": 1, "grey16": 400}.get(name)
        frames = [((0, 0), noise(color, bits, 9, 7, most), int(RNG.integers(0, 3)), int(RNG.integers(0, 2)))]
        for at in range(7):
            place = (int(RNG.integers(0, 5)), int(RNG.integers(0, 4)))
            frames.append((place, noise(color, bits, 4, 3, most), at % 3, at // 3 % 2))
        if name == "grey16":  # which Pillow cannot blend
            frames = [(place, samples, disposal, 0) for place, samples, disposal, _ in frames]
        good(f"apng-{name}.png", apng(color, bits, (9, 7), frames, extra))
    for at in range(3):
        frames = [((at, 1), noise(RGBA, 8, 4, 3), at, 1), ((2, 2), noise(RGBA, 8, 4, 3), 0, 1)]
        good(f"apng-default-{at}.png", apng(RGBA, 8, (9, 7), frames, default=noise(RGBA, 8, 9, 7)))


RESIZES = [
    ((1, 1), (1, 1)), ((1, 1), (512, 512)), ((1, 1), (3, 1)), ((1, 100), (7, 30)), ((100, 1), (30, 7)),
    ((20000, 1), (2048, 2)), ((20000, 1), (64, 64)), ((1, 20000), (64, 128)), ((2, 3), (200, 300)),
    ((301, 97), (256, 82)), ((61, 240), (64, 256)), ((128, 128), (128, 128)), ((128, 128), (128, 37)),
    ((128, 128), (37, 128)), ((611, 433), (64, 64)), ((640, 480), (641, 479)), ((640, 480), (639, 481)),
    ((5, 4), (1, 1)), ((1000, 999), (1, 1)), ((33, 47), (512, 511)), ((1920, 1080), (512, 288)),
    ((400, 300), (2048, 1536)), ((2048, 1152), (512, 512)), ((257, 2), (16, 500)), ((15, 17), (16, 16)),
    # Around the border between rows first and columns first.
    ((100, 100), (80, 60)), ((100, 100), (80, 59)), ((100, 100), (81, 60)), ((100, 200), (90, 180)),
    ((100, 200), (90, 179)), ((100, 100), (101, 99)), ((100, 100), (120, 101)), ((128, 256), (64, 64)),
]


def resizes():
    out = []
    for (width, height), size in RESIZES:
        i = np.arange(3 * width * height, dtype=np.uint64)
        samples = ((((i + 1) * 2654435761) >> 24) ^ (i >> 7)) & 255
        picture = Image.fromarray(samples.astype(np.uint8).reshape(height, width, 3))
        digest = zlib.crc32(np.asarray(picture.resize(size, Image.LANCZOS)).tobytes())
        out.append({"from": [width, height], "to": list(size), "crc32": digest})
    return out


OUT.mkdir(parents=True, exist_ok=True)
pngs()
jpegs()
orientations()
bads()
picture_formats.formats(good, scene, exif, png_in_icons())
picture_tiffs.tiffs(good, scene)
picture_jpegs.jpegs(good)
apngs()
picture_formats.bads(bad, scene)
picture_tiffs.bads(bad, scene)
versions = {"pillow": PIL.__version__}
document = {"versions": versions, "good": GOOD, "bad": BAD}
(OUT / "pictures.json").write_text(json.dumps(document, indent=1) + "\n")
(OUT / "resample.json").write_text(json.dumps({"versions": versions, "resizes": resizes()}, indent=1) + "\n")
print(f"{len(GOOD)} good pictures, {len(BAD)} bad ones")
