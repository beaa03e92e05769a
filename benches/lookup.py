"""What guessing from the text itself (`--prompt-lookup`) saves, and that it changes nothing.

    cargo build --release -p smolvlm
    python benches/lookup.py [--program target/release/smolvlm] [--model models/smollm2-256m]

Each task is asked with and without, in turns, greedy and drawn; the answers must be the same. Tokens a second are of
decoding alone, medians of the rounds. Raw times go to benches/raw/lookup.json. Needs Python alone.
"""

import argparse
import json
import os
import statistics
import subprocess
from pathlib import Path

from machine import machine

ROOT = Path(__file__).resolve().parent.parent

ARTICLE = """The harbour of Porto Levi was built in 1684 by the engineer Anna Maria Calloni, who had studied in Padua. She
laid out three basins, the largest of which could hold forty ships of the line, and a dry dock that is still in use. In
1721 a storm broke the outer mole; it was rebuilt in stone from the quarries of Monte Verro. Since 1954 the harbour has
been served by a railway, and since 2003 the old arsenal has been a museum with a library of 12,000 charts."""

CODE = """def total(items):
    result = 0
    for item in items:
        result = result + item.price * item.count
    return result"""

# What answers are: their prompt once more, parts of it, or words of their own.
TASKS = {
    "copy": f"Repeat this text word for word:\n\n{ARTICLE}",
    "edit": f"Rename the variable result to amount, and print the whole function again:\n\n{CODE}",
    "summary": f"Summarise this text:\n\n{ARTICLE}",
    "list": "Count from one to forty, a number a line.",
    "talk": "Tell me how bread is made.",
}


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--program", type=Path, default=ROOT / "target" / "release" / "smolvlm")
    ap.add_argument("--model", default=str(ROOT / "models" / "smollm2-256m"))
    ap.add_argument("--tokens", type=int, default=192)
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--out", type=Path, default=ROOT / "benches" / "raw" / "lookup.json")
    return ap.parse_args()


def ask(args, text, lookup, drawn):
    """The answer, how many tokens it has, and the seconds that these took."""
    words = [args.program, "run", "-m", args.model, "-n", args.tokens, "--json", "--prompt-lookup", lookup, "-p", text]
    words += ["--temp", "0.7", "--seed", "1"] if drawn else ["--temp", "0"]
    said = subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout
    answer = json.loads(said)
    return answer["text"], answer["output_tokens"], answer["times"]["decode"]


def main():
    args = arguments()
    results = {"machine": machine(), "cores": os.cpu_count(), "model": args.model.rsplit("/", 1)[-1],
               "max_tokens": args.tokens, "tasks": {}}
    for task, text in TASKS.items():
        for drawn in (False, True):
            speeds = {0: [], 7: []}
            for _ in range(args.rounds):
                answers = []
                for lookup, kept in speeds.items():
                    said, tokens, seconds = ask(args, text, lookup, drawn)
                    kept.append(tokens / seconds)
                    answers.append(said)
                assert answers[0] == answers[1], f"{task}: not the same answer"
            plain, guessed = (statistics.median(kept) for kept in speeds.values())
            name = f"{task}, {'drawn' if drawn else 'greedy'}"
            results["tasks"][name] = {"tokens": tokens, "without": speeds[0], "with": speeds[7]}
            print(f"{name:16} {tokens:4} tokens, {plain:6.1f} a second, {guessed:6.1f} guessing: "
                  f"{guessed / plain:.2f} times", flush=True)
    args.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
