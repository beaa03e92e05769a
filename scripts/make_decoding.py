"""What transformers computes when it decodes: golden/decoding.

    pip install torch transformers safetensors
    python scripts/make_decoding.py golden golden/idefics3-256m golden/smolvlm2 models/smollm2-256m

    keys.json               every key of GenerationConfig
    processors.json         settings, and the texts on which each row of the next file was made
    processors.safetensors  scores f32 [rows, vocabulary], and by the settings' names what became of them
    drawn.json              a model of few tokens, and how often beam sampling gives which answer
    words.json              words and the ids of each, as it stands and behind a space, by idefics3-256m's tokenizer
    MODEL.json              answers of golden cases under settings: tokens, scores of sequences, log-probabilities

Made with transformers 5.24, float32, eager attention. A search is written down only where float64 weights find the same
tokens: the others are decided by less than the noise of float32, and are named on stderr.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForImageTextToText, GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast,
)
from transformers.modeling_outputs import CausalLMOutputWithPast

VOCAB, ENDS, PROMPT, NEW = 64, [3, 7], 8, 6

# Alone, and then together.
PROCESSORS = {
    "nothing": {},
    "sequence_bias": {"sequence_bias": [[[5], 2.5], [[9], -1.0], [[11, 12, 13], 4.0], [[12, 14], -3.0], [[9], 1.5]]},
    "encoder_repetition_penalty": {"encoder_repetition_penalty": 1.7},
    "repetition_penalty": {"repetition_penalty": 1.3},
    "repetition_reward": {"repetition_penalty": 0.8},
    "no_repeat_1gram": {"no_repeat_ngram_size": 1},
    "no_repeat_2gram": {"no_repeat_ngram_size": 2},
    "no_repeat_3gram": {"no_repeat_ngram_size": 3},
    "encoder_no_repeat_2gram": {"encoder_no_repeat_ngram_size": 2},
    "bad_words": {"bad_words_ids": [[6], [3], [11, 12, 20], [12, 3], [30, 31]]},
    "min_length": {"min_length": 11},
    "min_new_tokens": {"min_new_tokens": 4},
    "forced_bos": {"forced_bos_token_id": 4},
    "forced_eos": {"forced_eos_token_id": [7, 8]},
    "remove_invalid": {"remove_invalid_values": True, "bad_words_ids": [[6]]},
    "exponential_decay": {"exponential_decay_length_penalty": [1, 1.5]},
    "exponential_decay_of_a_ban": {"exponential_decay_length_penalty": [1, 1.5], "min_new_tokens": 9},
    "suppress": {"suppress_tokens": [1, 2, 200]},
    "begin_suppress": {"begin_suppress_tokens": [10, 40]},
    "temperature_low": {"do_sample": True, "temperature": 0.3, "top_k": 0},
    "temperature_high": {"do_sample": True, "temperature": 2.5, "top_k": 0},
    "top_h_low": {"do_sample": True, "top_h": 0.3, "top_k": 0},
    "top_h_high": {"do_sample": True, "top_h": 0.9, "top_k": 0},
    "top_k_by_default": {"do_sample": True},
    "top_k": {"do_sample": True, "top_k": 5},
    "top_k_of_beams": {"do_sample": True, "top_k": 1, "num_beams": 3},
    "top_p_low": {"do_sample": True, "top_p": 0.2, "top_k": 0},
    "top_p_high": {"do_sample": True, "top_p": 0.93, "top_k": 0},
    "top_p_of_beams": {"do_sample": True, "top_p": 0.01, "num_beams": 2, "top_k": 0},
    "min_p": {"do_sample": True, "min_p": 0.07, "top_k": 0},
    "min_p_of_beams": {"do_sample": True, "min_p": 0.99, "num_beams": 2, "top_k": 0},
    "typical_p_low": {"do_sample": True, "typical_p": 0.2, "top_k": 0},
    "typical_p_high": {"do_sample": True, "typical_p": 0.9, "top_k": 0},
    "typical_p_of_beams": {"do_sample": True, "typical_p": 0.01, "num_beams": 2, "top_k": 0},
    "epsilon": {"do_sample": True, "epsilon_cutoff": 0.02, "top_k": 0},
    "epsilon_of_beams": {"do_sample": True, "epsilon_cutoff": 0.9, "num_beams": 2, "top_k": 0},
    "eta_low": {"do_sample": True, "eta_cutoff": 0.05, "top_k": 0},
    "eta_high": {"do_sample": True, "eta_cutoff": 0.9, "top_k": 0},
    "renormalize": {"renormalize_logits": True, "repetition_penalty": 1.3},
    "chain_of_filters": {"do_sample": True, "temperature": 1.7, "top_k": 30, "top_p": 0.9, "min_p": 0.02, "typical_p": 0.9,
                         "epsilon_cutoff": 0.01, "eta_cutoff": 0.2, "top_h": 0.95},
    "chain_of_bans": {"sequence_bias": [[[5], 2.5], [[6], 9.0]], "repetition_penalty": 1.2, "no_repeat_ngram_size": 2,
                      "bad_words_ids": [[6], [11, 12, 20]], "min_length": 10, "suppress_tokens": [30],
                      "begin_suppress_tokens": [31], "exponential_decay_length_penalty": [0, 1.1]},
    "chain_of_all": {"repetition_penalty": 1.2, "encoder_repetition_penalty": 1.1, "no_repeat_ngram_size": 3,
                     "encoder_no_repeat_ngram_size": 4, "min_new_tokens": 2, "bad_words_ids": [[11, 12, 20]],
                     "forced_eos_token_id": 7, "remove_invalid_values": True, "do_sample": True, "temperature": 0.7,
                     "top_k": 12, "top_p": 0.95, "min_p": 0.01, "renormalize_logits": True, "num_beams": 2},
}

END = "END"  # stands for the token that ends an answer

# Of golden cases: `END` made likelier, so that answers end before the limit.
SOON = {"sequence_bias": [[[END], 2.0]]}
SEARCHES = {
    "greedy": {},
    "greedy_bans": {"no_repeat_ngram_size": 2, "repetition_penalty": 1.1, "min_new_tokens": 5, **SOON},
    "2": {"num_beams": 2, "num_return_sequences": 2},
    "3": {"num_beams": 3, "num_return_sequences": 3},
    "5": {"num_beams": 5, "num_return_sequences": 5},
    "3_soon": {"num_beams": 3, "num_return_sequences": 3, **SOON},
    "5_soon": {"num_beams": 5, "num_return_sequences": 5, **SOON},
    "3_soon_early": {"num_beams": 3, "num_return_sequences": 3, "early_stopping": True, **SOON},
    "3_soon_never": {"num_beams": 3, "num_return_sequences": 3, "early_stopping": "never", **SOON},
    "5_soon_never_short": {"num_beams": 5, "num_return_sequences": 5, "early_stopping": "never", "length_penalty": -1.0, **SOON},
    "2_soon_flat": {"num_beams": 2, "num_return_sequences": 2, "length_penalty": 0.0, **SOON},
    "3_soon_long": {"num_beams": 3, "num_return_sequences": 3, "length_penalty": 2.0, **SOON},
    "3_soon_short": {"num_beams": 3, "num_return_sequences": 3, "length_penalty": -1.0, **SOON},
    "5_soon_early_long": {"num_beams": 5, "num_return_sequences": 2, "early_stopping": True, "length_penalty": 2.0, **SOON},
    "3_ngrams": {"num_beams": 3, "num_return_sequences": 3, "no_repeat_ngram_size": 2},
    "3_min": {"num_beams": 3, "num_return_sequences": 3, "min_new_tokens": 6, **SOON},
    "3_penalty": {"num_beams": 3, "num_return_sequences": 3, "repetition_penalty": 1.3, "renormalize_logits": True, **SOON},
    "2_forced": {"num_beams": 2, "num_return_sequences": 2, "forced_eos_token_id": [END]},
    "3_words": {"num_beams": 3, "num_return_sequences": 3, "bad_words_ids": "GREEDY", **SOON},
}
CASES = {
    "idefics3-256m": ["text", "turns", "two"], "smolvlm2": ["text", "two"],
    "smollm2-256m": ["capital", "story", "python"],
}
LIMIT = {"smollm2-256m": 16}


def with_end(value, end):
    if isinstance(value, dict):
        return {k: with_end(v, end) for k, v in value.items()}
    if isinstance(value, list):
        return [with_end(v, end) for v in value]
    return end if value == END else value


def processors(folder):
    torch.manual_seed(5)
    tiny = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=VOCAB, **tiny))
    prompt = [1, 11, 12, 13, 9, 11, 12, 30]
    texts = [prompt, prompt + [11, 12], prompt + [14, 12, 11, 12], prompt + [9, 12, 5, 11, 12], [4]]
    scores = torch.randn(len(texts), VOCAB) * 2.5
    rows, tensors = [], {"scores": scores}
    for name, settings in PROCESSORS.items():
        outs = []
        for text, row in zip(texts, scores):
            asked = min(PROMPT, len(text))
            config = GenerationConfig(**settings, max_new_tokens=NEW, eos_token_id=ENDS)
            for key, value in GenerationConfig._get_default_generation_params().items():
                if getattr(config, key) is None:
                    setattr(config, key, value)
            config.max_length, config._eos_token_tensor = asked + NEW, torch.tensor(ENDS)
            ids = torch.tensor([text])
            chain = model._get_logits_processor(config, asked, ids[:, :asked], device="cpu")
            outs.append(chain(ids, row[None].clone())[0])
        tensors[name] = torch.stack(outs).float().contiguous()
        rows.append({"name": name, "settings": settings})
    save_file(tensors, folder / "processors.safetensors")
    about = {"ends": ENDS, "prompt": PROMPT, "new": NEW, "texts": texts, "settings": rows}
    (folder / "processors.json").write_text(json.dumps(about) + "\n")


def words(tokenizer, folder):
    listed = ["hello", "The quick", "a", "naïve", "wrong answer", "<image>", "\n", "3.14"]
    ids = {word: [tokenizer.encode(text, add_special_tokens=False) for text in (word, " " + word)] for word in listed}
    (folder / "words.json").write_text(json.dumps(ids, ensure_ascii=False) + "\n")


class Table(LlamaForCausalLM):
    """Logits by the newest token and its place: no two answers have the same score, and none hangs on rounding."""

    def forward(self, input_ids, **_):
        rows = (input_ids + torch.arange(input_ids.shape[1])) % len(self.table)
        return CausalLMOutputWithPast(logits=self.table[rows])


def drawn(folder):
    torch.manual_seed(6)
    vocab, tiny = 8, {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = Table(LlamaConfig(vocab_size=vocab, **tiny))
    model.table = (torch.randn(vocab, vocab) * 1.5).round(decimals=4)
    rounds, entries = 30_000, []
    for settings in [
        {"num_beams": 2, "temperature": 1.5, "top_k": 0},
        {"num_beams": 2, "temperature": 2.5, "top_p": 0.95, "length_penalty": 2.0, "early_stopping": True},
    ]:
        settings |= {"do_sample": True, "max_new_tokens": 3}
        with torch.no_grad():
            out = model.generate(torch.zeros(rounds, 1, dtype=torch.long), attention_mask=torch.ones(rounds, 1),
                                 eos_token_id=vocab - 1, pad_token_id=vocab - 1, use_cache=False, **settings)
        counts = {}
        for row in out[:, 1:].tolist():
            ids = row[: row.index(vocab - 1) + 1] if vocab - 1 in row else row
            counts[tuple(ids)] = counts.get(tuple(ids), 0) + 1
        shares = [[list(ids), count / rounds] for ids, count in sorted(counts.items())]
        entries.append({"settings": settings, "shares": shares})
    table = [[round(x, 4) for x in row] for row in model.table.tolist()]
    (folder / "drawn.json").write_text(json.dumps({"table": table, "searches": entries}) + "\n")


def ends(root, model):
    """The tokens that end an answer, by all the files that name some."""
    found = set()
    for file in ("config.json", "generation_config.json"):
        named = json.loads((root / file).read_text()).get("eos_token_id") if (root / file).exists() else None
        found |= set(named if isinstance(named, list) else [] if named is None else [named])
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(root / "tokenizer.json"))
    eos = json.loads((root / "tokenizer_config.json").read_text()).get("eos_token")
    for token in ("<end_of_utterance>", eos["content"] if isinstance(eos, dict) else eos):
        if token in tokenizer.get_vocab():
            found.add(tokenizer.convert_tokens_to_ids(token))
    return sorted(found)


def generate(model, inputs, settings, stops, limit):
    out = model.generate(**inputs, max_new_tokens=limit, eos_token_id=stops, pad_token_id=stops[0], output_scores=True,
                         output_logits=True, return_dict_in_generate=True, **settings)
    start = inputs["input_ids"].shape[1]
    sequences = []
    for row in out.sequences.tolist():
        ids = row[start:]
        at = next((i + 1 for i, token in enumerate(ids) if token in stops), len(ids))
        sequences.append(ids[:at])
    scores = getattr(out, "sequences_scores", None)
    return sequences, None if scores is None else scores.tolist(), out.logits


def answers(root, golden, folder):
    name, limit = root.name, LIMIT.get(root.name, 14)
    model = AutoModelForImageTextToText.from_pretrained(root, dtype=torch.float32, attn_implementation="eager").eval()
    double = AutoModelForImageTextToText.from_pretrained(root, dtype=torch.float64, attn_implementation="eager").eval()
    stops, found = ends(root, model), []
    for case in CASES[name]:
        stem = golden / name / "cases" / case
        about = json.loads(stem.with_suffix(".json").read_text())
        tensors = load_file(stem.with_suffix(".safetensors"))
        ids = torch.tensor([about["input_ids"]])
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if "pixels" in tensors:
            inputs["pixel_values"] = ((tensors["pixels"].double() / 255 - 0.5) / 0.5)[None]
            inputs["pixel_attention_mask"] = torch.ones(
                1, tensors["pixels"].shape[0], *tensors["pixels"].shape[2:], dtype=torch.bool)
        cast = lambda dtype: {k: v.to(dtype) if k == "pixel_values" else v for k, v in inputs.items()}
        greedy = None
        for label, settings in SEARCHES.items():
            settings = with_end(settings, stops[-1])
            if settings.get("bad_words_ids") == "GREEDY":
                settings["bad_words_ids"] = [greedy[:1], greedy[2:4], greedy[4:7]]
            settings |= {"do_sample": False}
            with torch.no_grad():
                got, scores, logits = generate(model, cast(torch.float32), settings, stops, limit)
                same, *_ = generate(double, cast(torch.float64), settings, stops, limit)
            if got != same:
                print(f"{name}/{case}/{label}: decided by noise, left out", file=sys.stderr)
                continue
            entry = {"case": case, "label": label, "settings": settings | {"max_new_tokens": limit}, "ids": got}
            if scores is not None:
                entry["scores"] = scores
            else:
                logprobs = torch.cat(logits).log_softmax(-1)
                top = logprobs.topk(3)
                entry["chosen"] = [logprobs[i, token].item() for i, token in enumerate(got[0])]
                entry["top"] = [[[t, v] for t, v in zip(*pair)] for pair in zip(top.indices.tolist(), top.values.tolist())]
                greedy = greedy or got[0]
            found.append(entry)
            print(f"{name}/{case}/{label}", flush=True)
    lines = ",\n".join("  " + json.dumps(entry) for entry in found)
    (folder / f"{name}.json").write_text(f'{{"stops": {json.dumps(stops)}, "answers": [\n{lines}\n]}}\n')
    print(name, len(found), "answers;", sum(len(e["ids"][0]) < limit for e in found), "ended before the limit")


def main():
    torch.set_num_threads(1)
    golden = Path(sys.argv[1])
    folder = golden / "decoding"
    folder.mkdir(exist_ok=True)
    keys = set(GenerationConfig().__dict__) | set(GenerationConfig._get_default_generation_params())
    keys = sorted(key for key in keys if not key.startswith("_") or key == "_from_model_config")
    (folder / "keys.json").write_text(json.dumps(keys) + "\n")
    processors(folder)
    drawn(folder)
    words(PreTrainedTokenizerFast(tokenizer_file=str(golden / "idefics3-256m/tokenizer.json")), folder)
    for root in map(Path, sys.argv[2:]):
        answers(root, golden, folder)


if __name__ == "__main__":
    main()
