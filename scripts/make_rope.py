"""Rotary frequencies that are scaled as Llama 3.1's are, by transformers, and what a network answers with them.

    pip install torch transformers gguf safetensors
    python scripts/make_rope.py golden LLAMA        # llama.cpp's source, with its converter

Writes golden/rope.safetensors. For every setting of SETTINGS: `NAME.settings`, a decoder's config.json as u8, and
`NAME.frequencies`, f32 [head_dim / 2], as `LlamaRotaryEmbedding` of transformers has them. Of golden/wide with the setting
`wide`: `wide.text.last_logits` and `wide.two.last_logits`, f32 [4, vocab], of its cases; and `wide.divisors`, the tensor
`rope_freqs.weight` that llama.cpp's converter writes of it.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import Idefics3Config, Idefics3ForConditionalGeneration, LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding


def llama3(factor, low, high, context):
    return {"rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
            "original_max_position_embeddings": context}


SETTINGS = {
    "llama-3.1-8b": (128, 500_000.0, llama3(8.0, 1.0, 4.0, 8192)),
    "llama-3.2-1b": (64, 500_000.0, llama3(32.0, 1.0, 4.0, 8192)),
    "odd": (80, 10_000.0, llama3(3.3, 0.7, 2.9, 1000)),
    "wide": (64, 100_000.0, llama3(4.0, 1.0, 4.0, 64)),
    "linear": (8, 100_000.0, {"rope_type": "linear", "factor": 3.0}),
}
# The tokenizer is known by a hash of what it makes of some text, which SmolVLM's own tokens change.
KNOWN = "import conversion.base as b; b.TextModel.get_vocab_base_pre = lambda *_: 'smollm'; "


def divisors(model, source, folder):
    """What llama.cpp's converter says of a checkpoint's frequencies."""
    path = folder / "text.gguf"
    script = f"import sys; sys.path[:0] = [{str(source)!r}, {str(source / 'gguf-py')!r}]; {KNOWN}" \
             "import runpy; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    subprocess.run([sys.executable, "-c", script, source / "convert_hf_to_gguf.py", model, "--outtype", "f32", "--outfile",
                    path], check=True)
    return next(t.data for t in gguf.GGUFReader(path).tensors if t.name == "rope_freqs.weight").copy()


def main():
    golden, source = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
    out = {}
    for name, (head, theta, scaling) in SETTINGS.items():
        settings = {"model_type": "llama", "hidden_size": 2 * head, "num_attention_heads": 2, "vocab_size": 10,
                    "rope_theta": theta, "rope_scaling": scaling}
        config = LlamaConfig(**{key: value for key, value in settings.items() if key != "model_type"})
        out[f"{name}.settings"] = torch.tensor(list(json.dumps(settings).encode()), dtype=torch.uint8)
        out[f"{name}.frequencies"] = LlamaRotaryEmbedding(config).inv_freq.clone()
    with tempfile.TemporaryDirectory() as folder:
        wide = Path(folder) / "wide"
        shutil.copytree(golden / "wide", wide)
        config = json.loads((wide / "config.json").read_text())
        config["text_config"]["rope_parameters"].update(SETTINGS["wide"][2])
        # As published files have it; llama.cpp's converter asks for it.
        config["text_config"]["architectures"] = ["VLlama3ForCausalLM"]
        (wide / "config.json").write_text(json.dumps(config))
        model = Idefics3ForConditionalGeneration.from_pretrained(wide, dtype=torch.float32, attn_implementation="eager")
        assert torch.equal(model.model.text_model.rotary_emb.inv_freq, out["wide.frequencies"])
        for name in ("text", "two"):
            case = json.loads((wide / "cases" / f"{name}.json").read_text())
            want = load_file(wide / "cases" / f"{name}.safetensors")
            args = {"input_ids": torch.tensor([case["input_ids"]])}
            if "pixels" in want:
                args["pixel_values"] = ((want["pixels"].float() / 255 - 0.5) / 0.5).unsqueeze(0)
            with torch.no_grad():
                logits = model.eval()(**args).logits[0, -4:].contiguous()
            print(name, len(case["input_ids"]), "tokens; unscaled they differ by",
                  float((logits - want["last_logits"]).abs().max()))
            out[f"wide.{name}.last_logits"] = logits
        out["wide.divisors"] = torch.from_numpy(divisors(wide, source, Path(folder)).astype(np.float32))
    save_file(out, golden / "rope.safetensors")


main()
