"""Random weights of a published shape: in memory for peer_transformers.py, or as a checkpoint for other peers.

    pip install torch transformers
    python benches/checkpoint.py 256m target/peers/256m          # 0.5 GB; 500m: 1 GB; 2b: 4.5 GB

The folder's tokenizer is the small one of golden/idefics3-256m: no stage that is timed depends on it.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from transformers import Idefics3Config, Idefics3ForConditionalGeneration


def layers(count, hidden, intermediate, heads, **more):
    return (
        dict(num_hidden_layers=count, hidden_size=hidden, intermediate_size=intermediate, num_attention_heads=heads)
        | more
    )


BASE = layers(12, 768, 3072, 12, image_size=512, patch_size=16)
LARGE = layers(27, 1152, 4304, 16, image_size=384, patch_size=14)
SHAPES = {
    "256m": (BASE, 4, layers(30, 576, 1536, 9, num_key_value_heads=3)),
    "500m": (BASE, 4, layers(32, 960, 2560, 15, num_key_value_heads=5)),
    "2b": (LARGE, 3, layers(24, 2048, 8192, 32, num_key_value_heads=32)),
}
GOLDEN = Path(__file__).parent.parent / "golden/idefics3-256m"
IMAGE_TOKEN = 509  # of that tokenizer


def model(shape, dtype):
    vision, scale, text = SHAPES[shape]
    text = dict(
        model_type="llama",
        vocab_size=49280,
        max_position_embeddings=8192,
        head_dim=64,
        rms_norm_eps=1e-5,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        architectures=["VLlama3ForCausalLM"],
        **text,
    )  # llama.cpp's converter asks
    torch.set_default_dtype(torch.bfloat16 if dtype == "bf16" else torch.float32)
    made = Idefics3ForConditionalGeneration(
        Idefics3Config(
            vision_config=vision | dict(num_channels=3, hidden_act="gelu_pytorch_tanh"),
            text_config=text,
            scale_factor=scale,
            image_token_id=IMAGE_TOKEN,
            tie_word_embeddings=False,
            pad_token_id=2,
        )
    ).eval()
    torch.set_default_dtype(torch.float32)
    return made


def write(shape, folder):
    torch.manual_seed(0)
    model(shape, "bf16").save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config["text_config"] |= dict(rope_theta=1e5, architectures=["VLlama3ForCausalLM"])  # where transformers 4 looks
    vision, scale, _ = SHAPES[shape]
    tile = vision["image_size"]
    config["vision_config"]["size"] = dict(longest_edge=4 * tile)
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    for name in ("chat_template.jinja", "generation_config.json"):
        shutil.copy(GOLDEN / name, folder)
    tokenizer = json.loads((GOLDEN / "tokenizer.json").read_text())
    ids = [token["id"] for token in tokenizer["added_tokens"]]
    tokenizer["added_tokens"].append(
        tokenizer["added_tokens"][-1] | dict(id=max(ids) + 1, content="\n\n", special=False)
    )
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))  # llama.cpp puts an empty line before a whole picture
    tokens = json.loads((GOLDEN / "tokenizer_config.json").read_text()) | dict(
        tokenizer_class="PreTrainedTokenizerFast"
    )
    tokens["additional_special_tokens"] = tokens.pop("extra_special_tokens")
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens, indent=1))
    processor = json.loads((GOLDEN / "processor_config.json").read_text())
    pictures = processor.pop("image_processor") | dict(
        max_image_size=dict(longest_edge=tile), size=dict(longest_edge=4 * tile)
    )
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures, indent=1))
    processor["image_seq_len"] = (tile // vision["patch_size"] // scale) ** 2
    (folder / "processor_config.json").write_text(json.dumps(processor, indent=1))


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
