"""What bitsandbytes computes: golden/bnb.safetensors.

    pip install torch safetensors bitsandbytes
    python scripts/make_bnb.py golden/bnb.safetensors

Of version 0.50.2, on the CPU but with the kernels that bitsandbytes has in PyTorch: with its own in C++ the code of the
nearest in a dynamic map is up to seven off, and NF4 can come back wrong where a matrix's rows are not whole blocks.
`adamw8/cuda` alone is computed here.

    map/signed, map/unsigned    f32 [256]   `create_dynamic_map`
    blockwise/vector            f32 [1000]  quantised with the signed map in blocks of 256, the last one shorter:
    blockwise/codes             u8 [1000]
    blockwise/absmax            f32 [4]
    nf4/levels                  f32 [16]
    nf4/NAME/matrix             f32         `plain` [80, 208] or `outliers` [5, 100] (some large numbers, a block of
                                            zeros, the last block shorter) in NF4, blocks of 64, doubly quantised:
    nf4/NAME/codes              u8          two numbers a byte, the first in the upper half
    nf4/NAME/absmax             u8          each block's scale, less `offset`, as a code of the signed map
    nf4/NAME/nested             f32         the scale of 256 such codes
    nf4/NAME/offset             f32 [1]     the mean of the blocks' scales
    nf4/NAME/dequantised        f32         of the matrix's shape
    adamw8/parameter            f32 [700]   before three steps of `AdamW8bit`: lr 0.01, betas 0.9 and 0.999, eps 1e-8,
    adamw8/gradients            f32 [3, 700]    weight decay 0.1, state in blocks of 256, the last one shorter
    adamw8/WHERE/parameter      f32 [3, 700]    after each step
    adamw8/WHERE/codes1, codes2 u8 [3, 700]     of the gradient's mean (signed map) and its square's (unsigned)
    adamw8/WHERE/absmax1, absmax2   f32 [3, 3]

WHERE is `cpu`, bitsandbytes' step on the CPU, or `cuda`, the step as its CUDA kernel makes it, computed here by NumPy.
They differ: CUDA decays the weights after the step and not before, keeps a mean negative in 8 bits (where the nearest
code is 0's, that below it is taken) and has the betas in float32, so that 1 - 0.999 is another number.
"""

import os
import sys

os.environ["TORCHDYNAMO_DISABLE"] = "1"  # bitsandbytes would compile its PyTorch kernels
import numpy as np
import torch
from safetensors.torch import save_file

register = torch.library.register_kernel
torch.library.register_kernel = lambda name, device: (
    (lambda kernel: kernel) if device == "cpu" and "quantize" in name else register(name, device))
import bitsandbytes as bnb
import bitsandbytes.functional as F

LR, BETAS, EPS, DECAY, BLOCK = 1e-2, (0.9, 0.999), 1e-8, 0.1, 256


def nf4(matrix):
    codes, state = F.quantize_4bit(matrix, blocksize=64, compress_statistics=True, quant_type="nf4")
    return {"matrix": matrix, "codes": codes.flatten(), "absmax": state.absmax, "nested": state.state2.absmax,
            "offset": state.offset.reshape(1), "dequantised": F.dequantize_4bit(codes, state)}


def by_cpu(parameter, gradients):
    """AdamW8bit's own parameters and state after each step."""
    parameter = torch.nn.Parameter(parameter.clone())
    optimizer = bnb.optim.AdamW8bit([parameter], lr=LR, betas=BETAS, eps=EPS, weight_decay=DECAY, min_8bit_size=1)
    steps = []
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
        state = optimizer.state[parameter]
        steps.append({"parameter": parameter.detach().clone(), "codes1": state["state1"].clone(),
                      "codes2": state["state2"].clone(), "absmax1": state["absmax1"].clone(),
                      "absmax2": state["absmax2"].clone()})
    return {name: torch.stack([step[name] for step in steps]) for name in steps[0]}


def nearest(code_map, x):
    return np.abs(code_map.astype(np.float64) - x.astype(np.float64)[:, None]).argmin(1)


def by_cuda(parameter, gradients, signed, unsigned):
    """The same as the CUDA kernel makes it, all in float32."""
    p, signed, unsigned = (x.numpy().copy() for x in (parameter, signed, unsigned))
    beta1, beta2, eps, lr = (np.float32(x) for x in (*BETAS, EPS, LR))
    one = np.float32(1)
    starts = range(0, len(p), BLOCK)
    codes1, codes2 = np.zeros(len(p), np.uint8), np.zeros(len(p), np.uint8)
    absmax1, absmax2 = np.zeros(len(starts), np.float32), np.zeros(len(starts), np.float32)
    steps = []
    for step, gradient in enumerate(gradients.numpy(), 1):
        correction1 = np.float32(1 - float(beta1) ** step)
        correction2 = np.float32((1 - float(beta2) ** step) ** 0.5)
        for block, start in enumerate(starts):
            at = slice(start, start + BLOCK)
            g = gradient[at]
            mean = signed[codes1[at]] * absmax1[block] * beta1 + (one - beta1) * g
            square = unsigned[codes2[at]] * absmax2[block] * beta2 + (one - beta2) * g * g
            p[at] += -lr * correction2 / correction1 * (mean / (np.sqrt(square) + correction2 * eps))
            p[at] *= one - lr * np.float32(DECAY)
            absmax1[block], absmax2[block] = np.abs(mean).max(), square.max()
            code = nearest(signed, mean / absmax1[block])
            codes1[at] = code - ((mean < 0) & (signed[code] == 0))
            codes2[at] = nearest(unsigned, square / absmax2[block])
        now = {"parameter": p, "codes1": codes1, "codes2": codes2, "absmax1": absmax1, "absmax2": absmax2}
        steps.append({name: torch.from_numpy(x.copy()) for name, x in now.items()})
    return {name: torch.stack([step[name] for step in steps]) for name in steps[0]}


torch.set_num_threads(1)
torch.manual_seed(0)
signed, unsigned = F.create_dynamic_map(signed=True), F.create_dynamic_map(signed=False)
out = {"map/signed": signed, "map/unsigned": unsigned, "nf4/levels": F.get_4bit_type("nf4", device="cpu")}
vector = torch.randn(1000) * torch.exp(torch.randn(1000))
codes, state = F.quantize_blockwise(vector, blocksize=BLOCK)
out |= {"blockwise/vector": vector, "blockwise/codes": codes, "blockwise/absmax": state.absmax}
plain = torch.randn(80, 208) * 0.02 * torch.exp(0.3 * torch.randn(80, 1))
outliers = torch.randn(5, 100) * 0.02
outliers[0, 7], outliers[3, 3], outliers[4, 99] = 3.0, -1.5, 0.7
outliers.view(-1)[128:192] = 0
for name, matrix in (("plain", plain), ("outliers", outliers)):
    out |= {f"nf4/{name}/{key}": value for key, value in nf4(matrix).items()}
parameter = torch.randn(700) * 0.1
gradients = torch.randn(3, 700) * torch.exp(2 * torch.randn(700))
gradients[:, ::10] *= 1e-4  # so small that some means' nearest codes are 0's
out |= {"adamw8/parameter": parameter, "adamw8/gradients": gradients}
ways = {"cpu": by_cpu(parameter, gradients), "cuda": by_cuda(parameter, gradients, signed, unsigned)}
for where, values in ways.items():
    out |= {f"adamw8/{where}/{key}": value for key, value in values.items()}
save_file({name: value.contiguous() for name, value in out.items()}, sys.argv[1])
