"""Questions a second of `smolvlm eval` beside transformers' batched generation, on the same checkpoint, with the same answers.

    cargo build --release -p smolvlm
    python benches/evaluation.py [--model crates/nano/model] [--questions 2000] [--rounds 3]

`smolvlm synth` draws pictures with short questions. Both answer them greedily in the same precision with two threads, pictures decoded and
prepared within the time, the model loaded before it (of `smolvlm eval` the time is what run.json says; of the whole process it
is written too). transformers takes its batches sorted by nothing, padded on the left, of the best of some sizes. Rounds are in
turns. Raw times and the answers that differ go to benches/raw/evaluation-DTYPE.json. Needs torch and transformers.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from machine import machine

ROOT = Path(__file__).resolve().parent.parent


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--program", type=Path, default=ROOT / "target" / "release" / "smolvlm")
    ap.add_argument("--model", type=Path, default=ROOT / "crates" / "nano" / "model")
    ap.add_argument("--questions", type=int, default=2000)
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--max-tokens", type=int, default=16)
    ap.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    ap.add_argument("--sizes", default="16,64", help="transformers' batches that are tried on a tenth of the questions")
    ap.add_argument("--out", type=Path, help="[default: benches/raw/evaluation-DTYPE.json]")
    return ap.parse_args()


def draw(args, folder):
    subprocess.run([args.program, "synth", "-o", folder / "drawn", "--skills", "single", "--count", str(args.questions)],
                   check=True, capture_output=True)
    lines = (folder / "drawn" / "data.jsonl").read_text().splitlines()
    samples = [json.loads(line) for line in lines]
    # One question a row.
    return [{"images": sample["images"], "messages": sample["messages"][:2]} for sample in samples]


def ours(args, folder, data):
    start = time.perf_counter()
    out = folder / "out"
    subprocess.run([args.program, "eval", "-m", args.model, "--data", data, "--dtype", args.dtype, "-n", str(args.max_tokens),
                    "--threads", "2", "--batch", "32", "-o", out], check=True, capture_output=True)
    whole = time.perf_counter() - start
    seconds = json.loads((out / "run.json").read_text())["speed"]["seconds"]
    lines = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    return {"seconds": seconds, "process": whole}, [line["answer"] for line in lines]


class Transformers:
    def __init__(self, args):
        import torch
        import transformers
        torch.set_num_threads(2)
        self.torch, self.args, self.version = torch, args, f"transformers {transformers.__version__}, torch {torch.__version__}"
        self.processor = transformers.AutoProcessor.from_pretrained(args.model)
        self.processor.tokenizer.padding_side = "left"
        dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[args.dtype]
        self.model = transformers.AutoModelForImageTextToText.from_pretrained(args.model, dtype=dtype).eval()

    def answers(self, rows, folder, size):
        from PIL import Image
        said, start = [], time.perf_counter()
        for first in range(0, len(rows), size):
            batch = rows[first:first + size]
            texts, pictures = [], []
            for row in batch:
                content = [{"type": "image"} for _ in row["images"]]
                content.append({"type": "text", "text": row["messages"][0]["content"]})
                texts.append(self.processor.apply_chat_template([{"role": "user", "content": content}],
                                                                add_generation_prompt=True))
                pictures.append([Image.open(folder / "drawn" / name).convert("RGB") for name in row["images"]])
            inputs = self.processor(text=texts, images=pictures, padding=True, return_tensors="pt").to(self.model.dtype)
            with self.torch.inference_mode():
                made = self.model.generate(**inputs, do_sample=False, max_new_tokens=self.args.max_tokens)
            new = made[:, inputs["input_ids"].shape[1]:]
            said += [text.strip() for text in self.processor.batch_decode(new, skip_special_tokens=True)]
        return time.perf_counter() - start, said


def main():
    args = arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = draw(args, folder)
        data = folder / "drawn" / "questions.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        peer = Transformers(args)
        some = rows[:max(64, len(rows) // 10)]
        tried = {size: peer.answers(some, folder, size)[0] for size in map(int, args.sizes.split(","))}
        size = min(tried, key=tried.get)
        print("transformers' batches:", {size: f"{len(some) / seconds:.1f}/s" for size, seconds in tried.items()})
        raw = {"machine": machine(), "peer": peer.version, "dtype": args.dtype, "questions": len(rows), "batch": size, "ours": [], "theirs": []}
        for turn in range(args.rounds):
            times, answers = ours(args, folder, data)
            seconds, others = peer.answers(rows, folder, size)
            raw["ours"].append(times)
            raw["theirs"].append(seconds)
            print(f"round {turn + 1}: {len(rows) / times['seconds']:.1f}/s and {len(rows) / seconds:.1f}/s")
        raw["differ"] = [[at, a, b] for at, (a, b) in enumerate(zip(answers, others)) if a != b]
        rate = lambda seconds: len(rows) / statistics.median(seconds)
        mine, theirs = rate([times["seconds"] for times in raw["ours"]]), rate(raw["theirs"])
        raw["questions_a_second"] = [mine, theirs]
        out = args.out or ROOT / "benches" / "raw" / f"evaluation-{args.dtype}.json"
        out.write_text(json.dumps(raw, indent=1) + "\n")
        print(f"{mine:.1f} questions a second, transformers {theirs:.1f}: {mine / theirs:.1f} times; "
              f"{len(raw['differ'])} of {len(rows)} answers differ")


if __name__ == "__main__":
    main()
