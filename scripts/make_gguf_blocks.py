"""Random blocks of every GGUF type that is read, and the numbers that gguf-py makes of them; numbers, and the blocks of
every type that is written that it packs of them.

    pip install gguf safetensors numpy
    python scripts/make_gguf_blocks.py golden

Writes golden/gguf-blocks.gguf (a tensor a type, called as the type is: [3, two blocks or 64]) and
golden/gguf-blocks.safetensors (the same as f32). Any bytes are a block, but for the scales in half precision, which are
drawn as numbers of a usual size. And golden/gguf-packed.safetensors: `numbers` f32, and u8 blocks of them under the types'
names.
"""

import sys
from pathlib import Path

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize
from safetensors.numpy import save_file

ROWS = 3
# Where the halves of a block begin.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0]}


def blocks(random, name, block, size):
    count = 2 if block > 1 else 64
    if block == 1:
        numbers = random.standard_normal((ROWS, count)).astype(np.float32)
        kind = gguf.GGMLQuantizationType[name]
        return gguf.quants.quantize(numbers, kind) if name != "F32" else numbers
    data = random.integers(0, 256, (ROWS, count, size), dtype=np.uint8)
    for start in HALVES[name]:
        scales = (random.standard_normal((ROWS, count)) * 0.1).astype(np.float16)
        data[..., start:start + 2] = scales.view(np.uint8).reshape(ROWS, count, 2)
    return data.reshape(ROWS, count * size)


def main():
    folder, random = Path(sys.argv[1]), np.random.default_rng(7)
    writer, numbers = gguf.GGUFWriter(folder / "gguf-blocks.gguf", "llama"), {}
    for name in ["F32", "F16", "BF16", *HALVES]:
        kind = gguf.GGMLQuantizationType[name]
        data = blocks(random, name, *GGML_QUANT_SIZES[kind])
        writer.add_tensor(name, data, raw_dtype=kind)
        numbers[name] = np.ascontiguousarray(dequantize(data, kind), dtype=np.float32).reshape(ROWS, -1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(numbers, folder / "gguf-blocks.safetensors")

    rows = random.standard_normal((12, 64)).astype(np.float32) * np.float32(2.0) ** np.arange(-8, 4)[:, None]
    rows[3, :32], rows[5, 32:], rows[7] = 0, 0.3, np.abs(rows[7])
    rows[9, :16] = np.arange(16) / 2  # halves: where rounding shows
    packed = {"numbers": rows.astype(np.float32)}
    for name in ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"]:
        packed[name] = gguf.quants.quantize(packed["numbers"], gguf.GGMLQuantizationType[name]).view(np.uint8)
    save_file(packed, folder / "gguf-packed.safetensors")


main()
