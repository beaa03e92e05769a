"""What colpali-engine's ColIdefics3 makes of two pictures and two questions, for crates/cli/tests/embed.rs.

    pip install torch transformers pillow safetensors
    python scripts/make_vectors.py golden

The network is golden/idefics3-256m with a head of 128 numbers in the place of its words: weight [128, hidden] and bias of
sin(i + 1) / 4, i counting the numbers of weight and bias in a row. ColIdefics3 is that head over the last hidden states, each
row divided by its length; a picture stands in the chat's form before "Describe the image.", a question behind "Query: " and
before ten <end_of_utterance> (colpali_engine/models/idefics3, 2025). Writes golden/vectors.safetensors: `picture.0`,
`picture.1`, `query.0`, `query.1`, f32 [tokens, 128], and `scores` f32 [2, 2], questions by pictures.
"""

import sys
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import Idefics3ForConditionalGeneration, Idefics3ImageProcessorPil, Idefics3Processor, AutoTokenizer

ROOT = Path(sys.argv[1])
MODEL = ROOT / "idefics3-256m"
PICTURES = ["photo.jpg", "small.png"]
QUERIES = ["Where is the boat?", "A small <image> of 12 dots"]


def main():
    whole = Idefics3ForConditionalGeneration.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="eager").eval()
    hidden = whole.config.text_config.hidden_size
    numbers = torch.sin(torch.arange(1, 128 * hidden + 129, dtype=torch.float64)).float() / 4
    weight, bias = numbers[: 128 * hidden].view(128, hidden), numbers[128 * hidden:]
    processor = Idefics3Processor.from_pretrained(MODEL)
    processor.image_processor = Idefics3ImageProcessorPil.from_pretrained(MODEL)
    tokenizer = AutoTokenizer.from_pretrained(MODEL)

    def vectors(**inputs):
        with torch.no_grad():
            rows = torch.nn.functional.linear(whole.model(**inputs).last_hidden_state[0], weight, bias)
        return (rows / rows.norm(dim=-1, keepdim=True)).contiguous()

    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Describe the image."}]}]
    out = {}
    for i, name in enumerate(PICTURES):
        picture = Image.open(ROOT / "images" / name).convert("RGB")
        text = processor.apply_chat_template(chat, add_generation_prompt=True)
        out[f"picture.{i}"] = vectors(**processor(text=text, images=[picture], return_tensors="pt"))
    for i, query in enumerate(QUERIES):
        # A special token that a user types is text here.
        ids = tokenizer(f"Query: {query}", add_special_tokens=False, split_special_tokens=True)["input_ids"]
        ids += [tokenizer.convert_tokens_to_ids("<end_of_utterance>")] * 10
        out[f"query.{i}"] = vectors(input_ids=torch.tensor([ids]))
    out["scores"] = torch.tensor([[(out[f"query.{q}"] @ out[f"picture.{p}"].T).max(1).values.sum() for p in range(2)]
                                  for q in range(2)])
    print({name: tuple(x.shape) for name, x in out.items()}, out["scores"])
    save_file(out, ROOT / "vectors.safetensors")


main()
