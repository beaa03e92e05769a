"""Small TIFF files of every kind, for make_pictures.py: what Pillow and its libtiff cannot write, byte by byte."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

RNG = np.random.default_rng(9)
NONE, LZW, JPEG, DEFLATE, PACKBITS = 1, 5, 7, 8, 32773
NAMES = {NONE: "raw", LZW: "lzw", JPEG: "jpeg", DEFLATE: "deflate", PACKBITS: "packbits", 32946: "old-deflate"}


def noise(height, width, channels, most=255):
    """Samples with runs."""
    samples = RNG.integers(0, most + 1, (height, width, channels))
    samples[height // 2, : width // 2] = samples[height // 2, 0]
    return samples


def bits_packed(rows, bits):
    each = (np.asarray(rows)[:, :, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(each.astype(np.uint8).reshape(len(rows), -1), axis=1)


def lzw(data):
    """Codes of 9 bits alone: the table is cleared before longer ones are needed."""
    codes = []
    for at, byte in enumerate(data):
        if at % 200 == 0:
            codes.append(256)
        codes.append(byte)
    codes.append(257)
    bits = "".join(f"{code:09b}" for code in codes)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def packbits(data):
    out, at = b"", 0
    while at < len(data):
        run = 1
        while at + run < len(data) and data[at + run] == data[at] and run < 128:
            run += 1
        if run > 2:
            out += bytes([257 - run, data[at]])
            at += run
        else:
            part = data[at : at + 7]
            out += bytes([128, len(part) - 1]) + part
            at += len(part)
    return out


PACK = {NONE: bytes, LZW: lzw, DEFLATE: zlib.compress, PACKBITS: packbits, 32946: zlib.compress}


def directory(tags, at, order, following=0):
    """A directory that stands at `at`, its longer values behind it."""
    entries, behind = b"", b""
    place = at + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        if isinstance(values, bytes):
            kind, count, data = 7, len(values), values
        else:
            kind, count = (4, len(values)) if max(values) > 65535 or tag in (273, 279, 324, 325) else (3, len(values))
            data = struct.pack(f"{order}{count}{'HI'[kind == 4]}", *values)
        if len(data) > 4:
            entries += struct.pack(order + "HHII", tag, kind, count, place + len(behind))
            behind += data + bytes(len(data) % 2)
        else:
            entries += struct.pack(order + "HHI", tag, kind, count) + data.ljust(4, b"\0")
    return struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "I", following) + behind


def blocks_of(samples, bits, order, planar, tile, rows, predictor):
    """The bytes of every block, not compressed."""
    height, width, channels = samples.shape
    tall, wide = tile or (rows or height, width)
    for planes in ([samples[:, :, [c]] for c in range(channels)] if planar else [samples]):
        for y in range(0, height, tall):
            for x in range(0, width, wide):
                part = planes[y : y + tall, x : x + wide]
                if tile:
                    part = np.pad(part, ((0, tall - part.shape[0]), (0, wide - part.shape[1]), (0, 0)))
                if predictor == 2:
                    part = np.concatenate([part[:, :1], np.diff(part, axis=1)], 1)
                if predictor == 3:
                    flat = part.reshape(part.shape[0], -1).astype(">f4")
                    apart = np.stack([flat.view(np.uint8)[:, k::4] for k in range(4)], 1).reshape(len(flat), -1)
                    apart = apart.astype(np.int64)
                    step = part.shape[2]
                    apart[:, step:] -= apart[:, :-step].copy()
                    yield apart.astype(np.uint8).tobytes()
                    continue
                flat = part.reshape(part.shape[0], -1)
                if bits in (8, 16, 32):
                    kind = "f4" if part.dtype.kind == "f" else f"u{bits // 8}"
                    yield (flat if kind == "f4" else flat & ((1 << bits) - 1)).astype(order + kind).tobytes()
                else:
                    yield bits_packed(flat, bits).tobytes()


def tiff(samples, bits, photometric, compression=NONE, order="<", planar=False, tile=None, rows=None, extra=(),
         reversed=False, predictor=None, tags=(), encode=None, pages=()):
    """A file; `encode` makes a block's bytes instead of the samples themselves."""
    out = (b"II*\0" if order == "<" else b"MM\0*") + bytes(4)
    last = 4
    for page in [dict(samples=samples, bits=bits), *pages]:
        samples = page["samples"]
        height, width, channels = samples.shape
        offsets, lengths = [], []
        for block in encode or blocks_of(samples, page["bits"], order, planar, tile, rows, predictor):
            block = block if encode else PACK[compression](block)
            if reversed:
                block = bytes(int(f"{byte:08b}"[::-1], 2) for byte in block)
            offsets.append(len(out))
            lengths.append(len(block))
            out += block + bytes(len(block) % 2)
        each = {256: [width], 257: [height], 258: [page["bits"]] * channels, 259: [compression], 262: [photometric],
                277: [channels]}
        if tile:
            each |= {322: [tile[1]], 323: [tile[0]], 324: offsets, 325: lengths}
        else:
            each |= {273: offsets, 278: [rows or height], 279: lengths}
        if planar:
            each[284] = [2]
        if extra:
            each[338] = list(extra)
        if reversed:
            each[266] = [2]
        if predictor:
            each[317] = [predictor]
        each |= dict(tags)
        out = out[:last] + struct.pack(order + "I", len(out)) + out[last + 4 :]
        last = len(out) + 2 + 12 * len(each)
        out += directory(each, len(out), order)
    return out


def saved(picture, **options):
    file = io.BytesIO()
    picture.save(file, "TIFF", **options)
    return file.getvalue()


def tiffs(good, scene):
    colour_map = [int(n) for n in RNG.integers(0, 65536, 768)]
    kinds = {}
    for bits in (1, 2, 4, 8):
        grey = noise(7, 13, 1, (1 << bits) - 1)
        kinds[f"black{bits}"] = (grey, bits, 1, {})
        kinds[f"white{bits}"] = (grey, bits, 0, {})
        some = colour_map[:256][: 1 << bits] + colour_map[256:512][: 1 << bits] + colour_map[512:][: 1 << bits]
        kinds[f"palette{bits}"] = (grey, bits, 3, {"tags": {320: some}.items()})
    kinds["grey16"] = (noise(7, 13, 1, 400), 16, 1, {})
    kinds["signed8"] = (noise(7, 13, 1), 8, 1, {"tags": {339: [2]}.items()})
    kinds["grey-extra"] = (noise(7, 13, 2), 8, 1, {"extra": [0]})
    kinds["grey-alpha"] = (noise(7, 13, 2), 8, 1, {"extra": [2]})
    kinds["palette-extra"] = (noise(7, 13, 2), 8, 3, {"extra": [0], "tags": {320: colour_map}.items()})
    kinds["palette-alpha"] = (noise(7, 13, 2), 8, 3, {"extra": [2], "tags": {320: colour_map}.items()})
    for bits in (8, 16):
        most = (1 << bits) - 1
        kinds[f"rgb{bits}"] = (noise(7, 13, 3, most), bits, 2, {})
        for name, extra in (("unsaid", ()), ("extra", [0]), ("multiplied", [1]), ("alpha", [2])):
            kinds[f"rgb{bits}-{name}"] = (noise(7, 13, 4, most), bits, 2, {"extra": extra})
        kinds[f"cmyk{bits}"] = (noise(7, 13, 4, most), bits, 5, {})
    for name, extra in (("2", [0, 0]), ("3", [0, 0, 0]), ("multiplied", [1, 0]), ("alpha", [2, 0]), ("alpha2", [2, 0, 0])):
        kinds[f"rgb8-extra-{name}"] = (noise(7, 13, 3 + len(extra)), 8, 2, {"extra": extra})
    kinds["cmyk8-extra"] = (noise(7, 13, 5), 8, 5, {"extra": [0]})
    for name, (samples, bits, photometric, options) in kinds.items():
        good(f"tiff-{name}.tif", tiff(samples, bits, photometric, order="<", **options))
        good(f"tiff-{name}-lzw.tif", tiff(samples, bits, photometric, LZW, ">", rows=3, **options))
    # What Pillow takes in one order of bytes alone.
    wide = RNG.integers(-300, 600, (7, 13, 1))
    for order, name in (("<", "little"), (">", "big")):
        for bits in (16, 32):
            tags = {339: [2]}.items()
            good(f"tiff-signed{bits}-{name}.tif", tiff(wide, bits, 1, order=order, tags=tags))
        floats = (RNG.random((7, 13, 1)) * 400 - 70).astype(np.float32)
        good(f"tiff-float-{name}.tif", tiff(floats, 32, 1, order=order, tags={339: [3]}.items()))
    good("tiff-grey16-white.tif", tiff(noise(7, 13, 1, 400), 16, 0))
    good("tiff-grey32.tif", tiff(noise(7, 13, 1, 400), 32, 1, DEFLATE))
    good("tiff-signed16-deflate.tif", tiff(wide, 16, 1, DEFLATE, tags={339: [2]}.items()))
    good("tiff-float-predictor.tif", tiff(floats, 32, 1, DEFLATE, predictor=3, tags={339: [3]}.items()))
    good("tiff-12.tif", tiff(noise(7, 13, 1, 400), 12, 1))
    good("tiff-12-even.tif", tiff(noise(7, 12, 1, 400), 12, 1, LZW))
    # How the samples lie.
    for compression in (NONE, LZW, DEFLATE, PACKBITS, 32946):
        name = NAMES[compression]
        rgb, bits = noise(21, 37, 3), noise(21, 37, 1, 1)
        for order, tail in (("<", ""), (">", "-big")):
            good(f"tiff-strips-{name}{tail}.tif", tiff(rgb, 8, 2, compression, order, rows=4))
            good(f"tiff-tiles-{name}{tail}.tif", tiff(rgb, 8, 2, compression, order, tile=(16, 32)))
            good(f"tiff-planes-{name}{tail}.tif", tiff(rgb, 8, 2, compression, order, planar=True, rows=8))
        good(f"tiff-plane-tiles-{name}.tif", tiff(rgb, 8, 2, compression, planar=True, tile=(16, 16)))
        good(f"tiff-bit-tiles-{name}.tif", tiff(bits, 1, 0, compression, tile=(16, 16)))
    good("tiff-planes16.tif", tiff(noise(7, 13, 3, 65535), 16, 2, LZW, ">", planar=True))
    good("tiff-planes-alpha.tif", tiff(noise(7, 13, 4), 8, 2, planar=True, extra=[2]))
    good("tiff-planes-extra.tif", tiff(noise(7, 13, 4), 8, 2, DEFLATE, planar=True, extra=[0]))
    good("tiff-planes-cmyk.tif", tiff(noise(7, 13, 4), 8, 5, planar=True))
    for compression in (LZW, DEFLATE):
        for order in "<>":
            name = f"{NAMES[compression]}{'-big' * (order == '>')}"
            for bits in (8, 16):
                samples = noise(9, 15, 3, (1 << bits) - 1)
                good(f"tiff-predictor{bits}-{name}.tif", tiff(samples, bits, 2, compression, order, predictor=2, rows=4))
    good("tiff-predictor-planes.tif", tiff(noise(9, 15, 3), 8, 2, LZW, planar=True, predictor=2))
    for name in ("black1", "white2", "black4", "palette4", "rgb8", "white8"):
        samples, bits, photometric, options = kinds[name]
        if name not in ("palette4", "white8"):  # which Pillow says it reads and does not
            good(f"tiff-reversed-{name}.tif", tiff(samples, bits, photometric, reversed=True, **options))
        good(f"tiff-reversed-{name}-lzw.tif", tiff(samples, bits, photometric, LZW, reversed=True, **options))
    # JPEG, with its tables apart and within; facsimile codes.
    picture = scene(40, 30)
    for mode in ("L", "RGB", "CMYK"):
        good(f"tiff-jpeg-{mode}.tif", saved(picture.convert(mode), compression="jpeg", quality=85))
    good("tiff-jpeg-strips.tif", saved(picture, compression="jpeg", strip_size=40 * 3 * 16))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80, subsampling="4:2:0")
    blank = np.zeros((30, 40, 3), int)
    good("tiff-jpeg-420.tif", tiff(blank, 8, 6, JPEG, encode=[file.getvalue()], tags={530: [2, 2]}.items()))
    black = picture.convert("1")
    for compression in ("group3", "group4"):
        good(f"tiff-{compression}.tif", saved(black, compression=compression))
    good("tiff-group4-rows.tif", saved(black.resize((67, 40)), compression="group4", strip_size=9 * 8))
    # Orientations, pages, and a chain of pages that comes back.
    for number in range(1, 9):
        good(f"tiff-turn-{number}.tif", tiff(noise(5, 8, 3), 8, 2, LZW, tags={274: [number]}.items()))
    good("tiff-turn-9.tif", tiff(noise(5, 8, 3), 8, 2, tags={274: [9]}.items()))
    pages = [{"samples": noise(5, 8, 1), "bits": 8}, {"samples": noise(9, 4, 1), "bits": 8}]
    several = tiff(noise(7, 13, 1), 8, 1, pages=pages)
    good("tiff-pages.tif", several)
    first = several[4:8]
    last = several.rindex(bytes(4))
    good("tiff-pages-loop.tif", several[:last] + first + several[last + 4 :])
    for mode in ("1", "L", "LA", "P", "I;16", "I", "F", "RGB", "RGBA", "CMYK"):
        source = picture.resize((20, 15)).convert("L" if mode == "I;16" else mode)
        good(f"tiff-saved-{mode.replace(';', '-')}.tif", saved(source.convert(mode)))
    big = io.BytesIO()
    picture.resize((9, 5)).save(big, "TIFF", big_tiff=True)
    good("tiff-big.tif", big.getvalue())


def bads(bad, scene):
    """Files that are refused."""
    rgb = noise(21, 37, 3)
    whole = tiff(rgb, 8, 2, LZW)
    bad("bomb.tif", "too many pixels", tiff(rgb, 8, 2, tags={256: [50_000], 257: [50_000]}.items()))
    bad("zero.tif", "zero size", tiff(rgb, 8, 2, tags={256: [0]}.items()))
    bad("cut.tif", "truncated", whole[:1000])
    bad("cut-head.tif", "truncated", whole[:6])
    bad("no-pages.tif", "corrupt", b"II*\0" + bytes(4))
    bad("short-strip.tif", "truncated", tiff(rgb, 8, 2, PACKBITS, tags={257: [22], 278: [22]}.items()))
    bad("large-tiles.tif", "corrupt", tiff(rgb, 8, 2, LZW, tile=(32, 48), tags={322: [60_000], 323: [60_000]}.items()))
    many = {257: [4000], 278: [1], 273: [8] * 4000, 279: [len(whole)] * 4000}
    bad("overlap.tif", "corrupt", tiff(rgb, 8, 2, PACKBITS, tags=many.items()))
    bad("garbage.tif", "corrupt", tiff(rgb, 8, 2, DEFLATE, encode=[bytes(range(200))]))
    # What Pillow reads.
    bad("lab.tif", "unsupported", tiff(rgb, 8, 8))
    bad("ycbcr.tif", "unsupported", tiff(rgb, 8, 6))
    bad("planes16.tif", "unsupported", tiff(rgb, 16, 2, planar=True))
    bad("float-deflate-big.tif", "unsupported", tiff(rgb[:, :, :1].astype(np.float32), 32, 1, DEFLATE, ">", tags={339: [3]}.items()))
    for compression in ("lzma", "zstd"):
        bad(f"tiff-{compression}.tif", "unsupported", saved(scene(20, 15), compression=compression))
    # What neither does.
    bad("premultiplied-grey.tif", "unsupported", tiff(noise(7, 13, 2), 8, 1, extra=[1]))
    bad("predictor4.tif", "unsupported", tiff(noise(7, 13, 1, 15), 4, 1, LZW, predictor=2))
    bad("ten-bits.tif", "unsupported", tiff(noise(7, 16, 1, 1023), 10, 1))
