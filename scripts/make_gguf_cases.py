"""GGUF files of golden/wide by llama.cpp's own tools, and what the reference answers with their weights.

    pip install torch transformers gguf safetensors
    python scripts/make_gguf_cases.py golden FILES LLAMA

FILES is a folder with what llama.cpp's `convert_hf_to_gguf.py` makes of golden/wide: wide-f32.gguf, wide-f16.gguf,
mmproj-wide-f32.gguf, mmproj-wide-f16.gguf and mmproj-wide-q8_0.gguf; LLAMA the folder of its built programs. What golden/gguf
has already stays as it is. Written are there:

- the decoder as `llama-quantize` packs wide-f32.gguf, in the types of PACKED;
- of large files whose weights `smolvlm convert` makes to the bit (LARGE) the head alone, NAME.head: all in front of the first
  weight; sizes and hashes of the whole files are in heads.json, and a test puts them together again;
- NAME.safetensors for every decoder: `last_logits` f32 [4, vocab] of the cases `text` and `two`, by transformers in float32
  with the weights as gguf-py unpacks them and golden/wide's own tower;
- NAME_TOWER.safetensors for PAIRS: the same with the tower of that file.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf.quants import dequantize
from safetensors.torch import load_file, save_file
from transformers import Idefics3ForConditionalGeneration

PACKED = ["Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "IQ4_NL", "IQ4_XS"]
LARGE = ["wide-f32", "wide-f16", "wide-BF16", "mmproj-wide-f32", "mmproj-wide-q8_0"]
PAIRS = [(text, f"mmproj-wide-{tower}") for tower in ("f16", "q8_0") for text in ("wide-f32", "wide-f16", "wide-q8_0")]
TEXT = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
TOWER = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
         "attn_out": "self_attn.out_proj", "ln1": "layer_norm1", "ln2": "layer_norm2", "ffn_up": "mlp.fc1",
         "ffn_down": "mlp.fc2"}
WHOLE = {"token_embd": "model.text_model.embed_tokens", "output_norm": "model.text_model.norm", "output": "lm_head",
         "v.patch_embd": "model.vision_model.embeddings.patch_embedding",
         "v.position_embd": "model.vision_model.embeddings.position_embedding",
         "v.post_ln": "model.vision_model.post_layernorm", "mm.model.fc": "model.connector.modality_projection.proj"}


def apart(rows, heads):
    """Rows of heads as the network has them: the converter interleaves each head's halves for its rotation."""
    return rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def weights(path, text):
    """A file's tensors by the network's names, unpacked."""
    out = {}
    for tensor in gguf.GGUFReader(path).tensors:
        numbers = dequantize(tensor.data, tensor.tensor_type).reshape([int(side) for side in reversed(tensor.shape)])
        stem, kind = tensor.name.rsplit(".", 1)
        *prefix, layer, part = ["", "", *stem.split(".")]
        if stem in WHOLE:
            name = WHOLE[stem]
        elif "v" in prefix:
            name = f"model.vision_model.encoder.layers.{layer}.{TOWER[part]}"
        else:
            name = f"model.text_model.layers.{layer}.{TEXT[part]}"
            if part in ("attn_q", "attn_k"):
                numbers = apart(numbers, text.num_attention_heads if part == "attn_q" else text.num_key_value_heads)
        out[f"{name}.{kind}"] = torch.from_numpy(np.ascontiguousarray(numbers, dtype=np.float32))
    return out


def answers(golden, files):
    """The logits of the cases with these files' weights."""
    model = Idefics3ForConditionalGeneration.from_pretrained(golden / "wide", dtype=torch.float32, attn_implementation="eager")
    model.eval()
    for path in files:
        missing, unexpected = model.load_state_dict(weights(path, model.config.text_config), strict=False)
        part = "vision_model" if path.name.startswith("mmproj") else "text_model"
        assert not unexpected and not any(part in name for name in missing), (path, unexpected, missing)
    logits = {}
    for name in ("text", "two"):
        case = json.loads((golden / "wide/cases" / f"{name}.json").read_text())
        want = load_file(golden / "wide/cases" / f"{name}.safetensors")
        args = {"input_ids": torch.tensor([case["input_ids"]])}
        if "pixels" in want:
            args["pixel_values"] = ((want["pixels"].float() / 255 - 0.5) / 0.5).unsqueeze(0)
        with torch.no_grad():
            logits[f"{name}.last_logits"] = model(**args).logits[0, -4:].contiguous()
        far = (logits[f"{name}.last_logits"] - want["last_logits"]).abs().max() / want["last_logits"].abs().max()
        print(*[path.name for path in files], name, f"from the network as it was: {far:.2e}")
    return logits


def main():
    golden, given, llama = map(Path, sys.argv[1:])
    out = golden / "gguf"
    with tempfile.TemporaryDirectory() as folder:
        packed = {kind: out / f"wide-{kind}.gguf" for kind in PACKED}
        packed["BF16"] = Path(folder) / "wide-BF16.gguf"
        for kind, path in packed.items():
            if not path.exists():
                subprocess.run([llama / "llama-quantize", given / "wide-f32.gguf", path, kind], check=True, capture_output=True)
        at = {path.stem: path for path in [*given.glob("*.gguf"), *out.glob("*.gguf"), packed["BF16"]]}
        heads = {}
        for name in LARGE:
            data = at[name].read_bytes()
            (out / f"{name}.head").write_bytes(data[:gguf.GGUFReader(at[name]).data_offset])
            heads[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        (out / "heads.json").write_text(json.dumps(heads, indent=1) + "\n")
        for text, tower in [(name, None) for name in sorted(at) if name.startswith("wide")] + PAIRS:
            path = out / (f"{text}_{tower}.safetensors" if tower else f"{text}.safetensors")
            if not path.exists():
                save_file(answers(golden, [at[text], *([at[tower]] if tower else [])]), path)


main()
