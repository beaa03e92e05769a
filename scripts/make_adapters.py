"""What peft computes with adapters on a golden model: golden/adapters/NAME.

    pip install torch transformers safetensors peft
    python scripts/make_adapters.py golden/idefics3-256m golden/adapters

Four adapters as `save_pretrained` writes them (adapter_config.json, adapter_model.safetensors; only the lists of the
configuration are sorted after): `lora`, `rslora`, `dora` and `alllinear`. B is not 0, and DoRA's magnitudes are not the
norms they begin as, so that every parameter has a gradient.

expected.safetensors is of the golden case `two`, in evaluation mode (no dropout), the adapter loaded from its folder:

    loss            f32 [1]      mean cross-entropy of every next token that is no picture's
    last_logits     f32 [4, V]   of the last four positions
    grad/NAME       f32 [66]     64 numbers of the gradient, at places (i * 2654435761) mod n, its largest absolute
                                 value and its norm; NAME is the parameter's key in adapter_model.safetensors
    merged/loss, merged/last_logits    after merge_and_unload
    bf16/...        the same of the base in bfloat16 (rotary frequencies in float32): the adapter stays in float32,
                    casts its input to float32 and its sum with the base's output to bfloat16, as peft does by itself

Printed besides: trainable parameters, and those of SmolVLM-2.2B with the targets of the fine-tuning notebook.
"""

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, Idefics3Config, Idefics3ForConditionalGeneration

TEXT = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ADAPTERS = {
    # By suffix: the tower's q, k and v are called like the text model's.
    "lora": LoraConfig(r=4, lora_alpha=8, target_modules=TEXT),
    # A string is a regular expression for the whole name.
    "rslora": LoraConfig(r=4, lora_alpha=6, use_rslora=True, lora_dropout=0.1,
                         target_modules=r".*\.text_model\.layers\.\d+\.(self_attn|mlp)\.(q|v|o|down)_proj"),
    "dora": LoraConfig(r=4, lora_alpha=8, use_dora=True, target_modules=[*TEXT, "out_proj", "fc1", "fc2", "proj"]),
    # The first pattern that matches the name's end decides.
    "alllinear": LoraConfig(r=4, lora_alpha=8, target_modules="all-linear",
                            rank_pattern={"model.text_model.layers.0.self_attn.q_proj": 6, "q_proj": 2,
                                          r"layers\.[12]\.mlp\.(gate|up)_proj": 3, "modality_projection.proj": 8},
                            alpha_pattern={"k_proj": 3, r"vision_model\..*\.fc\d": 5, "down_proj": 16}),
}


def load(folder, dtype):
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()


def make(base, config, folder):
    """An adapter with seeded numbers, saved; how many parameters it trains."""
    torch.manual_seed(0)
    model = get_peft_model(load(base, torch.float32), config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1)
            elif "lora_magnitude_vector" in name:
                parameter *= 1 + 0.2 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    path = folder / "adapter_config.json"
    settings = json.loads(path.read_text())
    settings = {key: sorted(value) if isinstance(value, list) else value for key, value in settings.items()}
    path.write_text(json.dumps(settings, indent=2) + "\n")
    (folder / "README.md").unlink()
    return model.get_nb_trainable_parameters()[0]


def inputs_of(base, case, dtype):
    tensors = load_file(base / "cases" / f"{case}.safetensors")
    inputs = {"input_ids": torch.tensor([json.loads((base / "cases" / f"{case}.json").read_text())["input_ids"]])}
    if "pixels" in tensors:
        pixels = tensors["pixels"]
        inputs["pixel_values"] = ((pixels.float() / 255 - 0.5) / 0.5)[None].to(dtype)
        inputs["pixel_attention_mask"] = torch.ones(1, *pixels.shape[:1], *pixels.shape[2:], dtype=torch.bool)
    return inputs


def loss_and_logits(model, inputs):
    logits = model(**inputs).logits[0].float()
    targets = inputs["input_ids"][0, 1:].clone()
    targets[targets == model.config.image_token_id] = -100
    return torch.nn.functional.cross_entropy(logits[:-1], targets), logits[-4:].detach()


def expected(base, folder, dtype):
    inputs = inputs_of(base, "two", dtype)
    model = PeftModel.from_pretrained(load(base, dtype), folder, is_trainable=True).eval()
    loss, logits = loss_and_logits(model, inputs)
    loss.backward()
    out = {"loss": loss.detach().reshape(1), "last_logits": logits}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        assert parameter.dtype == torch.float32 and parameter.grad.abs().max() > 0, name
        grad = parameter.grad.flatten()
        places = torch.tensor([i * 2654435761 % grad.numel() for i in range(64)])
        # In the file the adapter has no name, and a magnitude no `.weight`.
        key = name.replace("lora_magnitude_vector.default.weight", "lora_magnitude_vector").replace(".default", "")
        out[f"grad/{key}"] = torch.cat([grad[places], grad.abs().max()[None], grad.norm()[None]])
    with torch.no_grad():
        loss, logits = loss_and_logits(model.merge_and_unload(), inputs)
    return out | {"merged/loss": loss.reshape(1), "merged/last_logits": logits}


def notebook(dora):
    """Trainable parameters of SmolVLM-2.2B with the fine-tuning notebook's targets."""
    vision = dict(hidden_size=1152, image_size=384, patch_size=14, num_attention_heads=16, num_hidden_layers=27,
                  intermediate_size=4304)
    text = dict(model_type="llama", vocab_size=49280, hidden_size=2048, intermediate_size=8192, num_hidden_layers=24,
                num_attention_heads=32, num_key_value_heads=32, head_dim=64)
    with torch.device("meta"):
        model = Idefics3ForConditionalGeneration(
            Idefics3Config(vision_config=vision, text_config=text, scale_factor=3, image_token_id=49190))
        config = LoraConfig(r=8, lora_alpha=8, lora_dropout=0.1, target_modules=TEXT, use_dora=dora,
                            init_lora_weights="gaussian")
        return get_peft_model(model, config).get_nb_trainable_parameters()[0]


if __name__ == "__main__":
    torch.set_num_threads(1)  # the same sums each time
    base, root = map(Path, sys.argv[1:])
    with torch.no_grad():
        plain, plain_logits = loss_and_logits(load(base, torch.float32), inputs_of(base, "two", torch.float32))
    print("no adapter: loss", plain.item())
    for name, config in ADAPTERS.items():
        folder = root / name
        count = make(base, config, folder)
        out = expected(base, folder, torch.float32)
        out |= {f"bf16/{key}": value for key, value in expected(base, folder, torch.bfloat16).items()}
        assert {f"grad/{key}" for key in load_file(folder / "adapter_model.safetensors")} < set(out)
        save_file({key: value.contiguous() for key, value in out.items()}, folder / "expected.safetensors")
        changed = (out["last_logits"] - plain_logits).abs().max() / plain_logits.abs().max()
        merged = (out["merged/last_logits"] - out["last_logits"]).abs().max()
        print(f"{name}: {count} trainable, loss {out['loss'].item()} bf16 {out['bf16/loss'].item()},",
              f"logits changed by {changed:.3}, by merging {merged:.3}")
    print("SmolVLM-2.2B, r 8:", notebook(False), "with DoRA:", notebook(True))
    assert notebook(False) == 10_536_960
