"""Many questions through one loaded model, beside one process a question.

    cargo build --release -p smolvlm
    python benches/batch.py [--program target/release/smolvlm] [--model nano] [--questions 2000]

`smolvlm synth` draws pictures with short questions. `smolvlm run --batch` answers them all; once more it is killed in the
middle and called again, and must give the same file, every answer once. Then the first `--alone` questions are asked by
one process each and by a batch of just these, in five turns: at least five times as many questions a second must come of a
batch, by the medians. With `--at-once 8,16,…` batches of each size are timed as well, in turns. Raw times go to
benches/raw/batch.json. Needs Python alone.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from machine import machine

ROOT = Path(__file__).resolve().parent.parent
TIMES, TURNS = 5, 5


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--program", type=Path, default=ROOT / "target" / "release" / "smolvlm")
    ap.add_argument("--model", default="nano")
    ap.add_argument("--questions", type=int, default=2000)
    ap.add_argument("--alone", type=int, default=50, help="questions that are also asked one process each")
    ap.add_argument("--max-tokens", type=int, default=16)
    ap.add_argument("--at-once", default="", help="sizes to compare, with commas between")
    ap.add_argument("--rounds", type=int, default=3, help="of that comparison")
    ap.add_argument("--out", type=Path, default=ROOT / "benches" / "raw" / "batch.json")
    return ap.parse_args()


def draw(args, folder):
    """Rows with a question each, of drawn pictures."""
    subprocess.run([args.program, "synth", "-o", folder / "drawn", "--skills", "single", "--count", str(args.questions)],
                   check=True, capture_output=True)
    rows = []
    for line in (folder / "drawn" / "data.jsonl").read_text().splitlines():
        sample = json.loads(line)
        question = sample["messages"][0]["content"]
        images = [os.path.join("drawn", image) for image in sample["images"]]
        rows.append({"id": len(rows), "images": images, "prompt": question})
    return rows


def write(folder, name, rows):
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


def words(args, rows, output, *more):
    return [str(word) for word in [args.program, "run", "-m", args.model, "-n", args.max_tokens, "--batch", rows,
                                   "-o", output, *more]]


def batch(args, rows, output, *more):
    """The seconds of a whole call, loading included."""
    start = time.perf_counter()
    subprocess.run(words(args, rows, output, *more), check=True, capture_output=True)
    return time.perf_counter() - start


def killed(args, rows, output, count):
    """A call that is killed when about so many answers are there; how many there are then."""
    part = Path(f"{output}.part")
    call = subprocess.Popen(words(args, rows, output), stderr=subprocess.DEVNULL)
    while call.poll() is None and (not part.exists() or part.read_bytes().count(b"\n") <= count):
        time.sleep(0.01)
    call.send_signal(signal.SIGKILL)
    call.wait()
    assert not output.exists(), "it had ended before it was killed"
    return part.read_bytes().count(b"\n") - 1


def alone(args, folder, rows):
    start = time.perf_counter()
    for row in rows:
        images = [folder / image for image in row["images"]]
        subprocess.run([str(word) for word in [args.program, "run", "-m", args.model, "-n", args.max_tokens, *images,
                                               "-p", row["prompt"]]], check=True, capture_output=True)
    return time.perf_counter() - start


def sizes(args, folder, rows):
    """Questions a second of batches of several sizes, in turns."""
    names = [name for name in args.at_once.split(",") if name]
    speeds = {name: [] for name in names}
    for number in range(args.rounds):
        for name in names:
            seconds = batch(args, rows, folder / f"size-{name}-{number}.jsonl", "--at-once", name)
            speeds[name].append(args.questions / seconds)
    for name, all_of_one in speeds.items():
        print(f"--at-once {name:4} {statistics.median(all_of_one):7.1f} questions/s", flush=True)
    return speeds


def main():
    args = arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = draw(args, folder)
        assert len(rows) == args.questions
        file = write(folder, "rows.jsonl", rows)
        whole = batch(args, file, folder / "whole.jsonl")
        print(f"batch: {args.questions} questions in {whole:.1f} s, {args.questions / whole:.1f} a second", flush=True)

        at = killed(args, file, folder / "killed.jsonl", random.randrange(args.questions // 4, 3 * args.questions // 4))
        batch(args, file, folder / "killed.jsonl")
        answers = [json.loads(line) for line in (folder / "killed.jsonl").read_text().splitlines()]
        assert [answer["id"] for answer in answers] == list(range(args.questions)), "not every answer once"
        assert all("text" in answer for answer in answers)
        assert (folder / "killed.jsonl").read_bytes() == (folder / "whole.jsonl").read_bytes()
        print(f"killed behind {at} answers and called again: every answer once, the same file", flush=True)

        few = write(folder, "few.jsonl", rows[:args.alone])
        seconds = {"alone": [], "batch": []}
        for turn in range(TURNS):
            seconds["batch"].append(batch(args, few, folder / f"few-{turn}.jsonl"))
            seconds["alone"].append(alone(args, folder, rows[:args.alone]))
        speeds = {way: args.alone / statistics.median(times) for way, times in seconds.items()}
        times = speeds["batch"] / speeds["alone"]
        print(f"{args.alone} questions: one process each {speeds['alone']:.2f} a second, a batch {speeds['batch']:.2f}: "
              f"{times:.1f} times as many", flush=True)
        results = {
            "machine": machine(), "cores": os.cpu_count(), "build": args.program.parent.name, "model": args.model,
            "questions": args.questions, "max_tokens": args.max_tokens, "batch_seconds": whole, "killed_behind": at,
            "alone": args.alone, "alone_seconds": seconds["alone"], "batches_of_these_seconds": seconds["batch"], "times": times,
            "at_once": sizes(args, folder, rows),
        }
    args.out.write_text(json.dumps(results, indent=1) + "\n")
    assert times >= TIMES, f"{times:.1f} times is less than {TIMES}"


if __name__ == "__main__":
    main()
