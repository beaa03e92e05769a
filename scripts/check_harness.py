#!/usr/bin/env python3
"""Lets lmms-eval ask a running server the right rows of golden/benchmarks, and looks at its answers and scores.

    python scripts/check_harness.py PROGRAM URL FOLDER        scripts/check-harness.sh does it all

The harness runs as its users run it (`lmms-eval eval --model openai`) and by its own tasks, only that their rows lie in
FOLDER and not on the hub. Exits with 1 at the first thing that is not as it should be.
"""

import importlib.metadata
import io
import json
import os
import re
import string
import subprocess
import sys
import types
from pathlib import Path

# By the harness' name: the folder of the rows, the answers that a right one may have, and the score that counts the right.
SETS = {
    "pope": ("POPE", ("yes", "no"), "pope_accuracy"),
    "ai2d": ("AI2D", ("0", "1", "2", "3"), "exact_match"),
}


def empty_modules():
    """Puts in the place of torch and accelerate as much as the harness needs to be imported: it computes nothing by them
    where the model is behind a server. What is imported first here sees that they are not there."""
    import datasets  # noqa: F401
    import evaluate  # noqa: F401
    import transformers  # noqa: F401

    def module(name, **has):
        made = sys.modules[name] = types.ModuleType(name)
        vars(made).update(has)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, made)

    nothing = lambda *_, **__: None
    kind = lambda name: type(name, (), {})
    module("torch", manual_seed=nothing, Tensor=kind("Tensor"), Generator=kind("Generator"), dtype=kind("dtype"))
    module("torch.nn", Module=kind("Module"))
    module("torch.cuda", empty_cache=nothing)
    module("torch.distributed", is_available=nothing, is_initialized=nothing, distributed_c10d=types.SimpleNamespace())
    module("torch.utils")
    module("torch.utils.collect_env", get_pretty_env_info=nothing)

    class Accelerator:
        num_processes, process_index, local_process_index = 1, 0, 0
        is_main_process = is_local_main_process = True
        device = "cpu"

        def __init__(self, **_):
            pass

        def wait_for_everyone(self):
            pass

    module("accelerate", Accelerator=Accelerator, DistributedType=kind("DistributedType"))
    module("accelerate.utils", InitProcessGroupKwargs=nothing)


def check(is_so, what):
    if not is_so:
        sys.exit(f"WRONG {what}")


def right_rows(name, answers):
    """The rows that are not broken, with PNGs of the colours that the harness shows: both sides are to see the same."""
    import pyarrow.parquet
    from PIL import Image, UnidentifiedImageError

    rows = []
    for file in sorted(Path("golden/benchmarks", name, "hub", "data").glob("*.parquet")):
        for row in pyarrow.parquet.read_table(file).to_pylist():
            try:
                picture = Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")
            except UnidentifiedImageError:
                continue
            if row["question"] and row["answer"] in answers:
                png = io.BytesIO()
                picture.save(png, "PNG")
                rows.append({**row, "image": {"bytes": png.getvalue(), "path": None}})
    return rows


def write(rows, file):
    import datasets

    datasets.disable_progress_bars()
    datasets.Dataset.from_list(rows).cast_column("image", datasets.Image()).to_parquet(file)


def run(command, log, **options):
    with open(log, "w") as out:
        ended = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, **options).returncode
    if ended != 0:
        print(log.read_text()[-4000:], file=sys.stderr)
    check(ended == 0, f"{' '.join(command[:4])} ended with {ended}")


def by_the_harness(rows, url, folder):
    """By task: the harness' samples in the order of the rows, its scores, and the most tokens that it let an answer have."""
    (folder / "tasks").mkdir()
    for task in rows:
        write(rows[task], folder / f"{task}.parquet")
        own = importlib.metadata.distribution("lmms-eval").locate_file(f"lmms_eval/tasks/{task}/{task}.yaml")
        # JSON is YAML.
        (folder / "tasks" / f"made_up_{task}.yaml").write_text(json.dumps({
            "include": str(own), "task": f"made_up_{task}", "tag": [], "dataset_path": "parquet",
            "dataset_kwargs": {"data_files": {"test": str(folder / f"{task}.parquet")}},
        }))
    run([sys.executable, str(Path(__file__).resolve()), "lmms-eval", "eval", "--model", "openai",
         "--model_args", f"model=nano,base_url={url}/v1,api_key=none,max_retries=1",
         "--tasks", ",".join(f"made_up_{task}" for task in rows), "--include_path", str(folder / "tasks"),
         "--output_path", str(folder / "harness"), "--log_samples", "--batch_size", "1", "--verbosity", "DEBUG"],
        folder / "harness.log", cwd=folder,
        env={**os.environ, "HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1", "NO_PROXY": "127.0.0.1"})
    [results] = (folder / "harness").glob("*/*_results.json")
    results = json.loads(results.read_text())
    for task in rows:
        [samples] = (folder / "harness").glob(f"*/*_samples_made_up_{task}.jsonl")
        samples = [json.loads(line) for line in samples.read_text().splitlines()]
        # The filter's name stands behind the score's.
        scores = {name.split(",")[0]: score for name, score in results["results"][f"made_up_{task}"].items()}
        most = results["configs"][f"made_up_{task}"]["generation_kwargs"]["max_new_tokens"]
        yield task, sorted(samples, key=lambda sample: sample["doc_id"]), scores, most


def answer_of(sample):
    """What the server said: the harness keeps it apart only where its filter made something else of it."""
    [answer] = sample["resps"] if "resps" in sample else [sample["filtered_resps"]]
    return answer


def is_right(task, answer, target):
    """By the rule of the harness' task."""
    if task == "pope":
        return answer.strip().lower() == target.lower()
    letter = re.match(r"\s*([A-Z])\.", answer)
    bare = lambda text: text.lower().translate(str.maketrans("", "", string.punctuation))
    return bare(letter[1] if letter else answer) == bare(target)


def by_the_program(task, rows, samples, most, program, url, folder):
    """The answers of `smolvlm eval --server` to the same words, and what it says that lmms-eval's scores are."""
    asked = [{"question_id": str(n), "category": "all", "image": row["image"], "question": sample["input"],
              "answer": sample["target"]} for n, (row, sample) in enumerate(zip(rows, samples))]
    data, out = folder / f"{task}-asked.parquet", folder / f"{task}-program"
    write(asked, data)
    # Of AI2D's the options stand in the words already.
    how = ["pope", "--prompts", "plain"] if task == "pope" else ["--question", "question", "--answer", "answer"]
    run([program, "eval", *how, "--server", url, "-m", "nano", "--data", str(data), "-n", str(most), "-o", str(out)],
        folder / f"{task}-program.log")
    answers = sorted(map(json.loads, (out / "answers.jsonl").read_text().splitlines()), key=lambda line: line["row"])
    own = json.loads((out / "scores.json").read_text()).get("own", [])
    return [line.get("answer") for line in answers], {score["name"]: score["score"] / 100 for score in own}


def check_set(task, samples, scores, most, rows, program, url, folder):
    name, _, score = SETS[task]
    check(len(rows) > 0 and len(samples) == len(rows), f"{name}: {len(samples)} samples of {len(rows)} rows")
    answers = [answer_of(sample) for sample in samples]
    for sample, answer in zip(samples, answers):
        came = answer.strip() and not answer.startswith("[LMMS_EVAL_") and sample["token_counts"][0]["output_tokens"] > 0
        check(came, f"{name}: no answer to {sample['input']!r} but {answer!r}")
    theirs, own = by_the_program(task, rows, samples, most, program, url, folder)
    check([answer.strip() for answer in answers] == theirs, f"{name}: the harness got {answers}, smolvlm eval {theirs}")
    right = sum(is_right(task, answer, sample["target"]) for answer, sample in zip(answers, samples))
    check(abs(scores[score] - right / len(rows)) < 1e-9, f"{name}: {score} is {scores[score]}, but {right} are right")
    if task == "pope":
        for theirs, mine in [("accuracy", "accuracy"), ("precision", "precision"), ("recall", "recall"),
                             ("f1_score", "F1"), ("yes_ratio", "right answers that are yes")]:
            mine, theirs = own[f"as lmms-eval has it: {mine}"], scores[f"pope_{theirs}"]
            check(abs(mine - theirs) < 1e-9, f"{name}: {theirs} is the harness' score, {mine} smolvlm eval's for it")
    version = importlib.metadata.version("lmms-eval")
    print(f"{name}: {len(rows)} answers, {score} {scores[score]:.3f} ({right} right), through lmms-eval {version}")


if __name__ == "__main__" and sys.argv[1] == "lmms-eval":
    empty_modules()
    from lmms_eval.cli.dispatch import main

    sys.argv.pop(1)
    sys.exit(main())
if __name__ == "__main__":
    program, url, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    rows = {task: right_rows(name, answers) for task, (name, answers, _) in SETS.items()}
    for task, samples, scores, most in by_the_harness(rows, url, folder):
        check_set(task, samples, scores, most, rows[task], program, url, folder)
