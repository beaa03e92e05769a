"""What peers.py and a worker say to each other.

A worker times one peer in one format. peers.py starts it as `python peer_NAME.py SETTINGS` and keeps it until all
rounds are done; SETTINGS is a JSON object:

    format      what the weights are kept in, in the peer's own words
    shape       256m, 500m or 2b
    checkpoint  a model's folder as Hugging Face has it, or null
    cache       a folder for what was exported from it
    llama       llama.cpp's source folder with its build in `build`, or null
    threads, tiles, context     how many

The worker makes its model, runs all stages once without counting, and prints one JSON line of versions. Every line it
then reads is answered by one run and one JSON line: seconds of `vision` (all tiles through tower and connector),
`prefill` (the whole context, logits of its last position) and `decode_token` (one token at that context), and bytes of
`peak_rss`. It ends with its input. Between two lines it does nothing, so that whoever is timed has the machine alone.

A module calls `serve(prepare)`: prepare(settings) returns a function that makes one run, and the versions.
"""

import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

DECODED = 16
"""Tokens decoded in a run; the run's time is divided by them."""


def seconds(f):
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def peak_rss():
    """The most memory this process has had, in bytes. ru_maxrss may be what its parent had when it started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text()).group(1)) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def once(folder, make):
    """`folder`, filled by make(unfinished folder) when it is not there yet; interrupted work leaves none."""
    if not folder.exists():
        unfinished = folder.with_name(folder.name + ".unfinished")
        subprocess.run(["rm", "-rf", unfinished], check=True)
        unfinished.mkdir(parents=True)
        make(unfinished)
        unfinished.rename(folder)
    return folder


def serve(prepare):
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    run, versions = prepare(SimpleNamespace(**json.loads(sys.argv[1])))
    run()
    print(json.dumps(versions), file=answers, flush=True)
    for _ in sys.stdin:
        print(json.dumps({"peak_rss": peak_rss()} | run()), file=answers, flush=True)
