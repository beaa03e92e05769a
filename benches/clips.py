"""A question about a film: how long until its answer begins, and how much memory it takes, beside transformers.

    scripts/make-smollm2.sh
    cargo build --release
    pip install torch torchvision torchcodec transformers num2words pillow
    python benches/clips.py [--rounds 5] [--seconds 60] [--model models/smollm2-256m] [--program target/release/smolvlm]
                            [--no-peer]

FFmpeg draws a film of 1280x720 pixels, 30 frames a second, H.264. Both are shown it as SmolVLM2 is: a frame a second, at most
64, each brought to 512 pixels, in bfloat16 on two threads. Counted is what passes from the call of the program to its first
token, decoding the film included; of transformers also without starting Python and loading the model. Programs take turns;
the middles of the rounds are printed, raw rounds go to benches/raw/clips.json. The peer is another process of this file.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine

ROOT = Path(__file__).resolve().parent.parent
QUESTION = "What happens in the clip?"
THREADS = 2
FPS, SIZE, MOST = 30, "1280x720", 64


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--program", type=Path, default=ROOT / "target" / "release" / "smolvlm")
    ap.add_argument("--model", type=Path, default=ROOT / "models" / "smollm2-256m")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--seconds", type=int, default=60)
    ap.add_argument("--no-peer", action="store_true")
    ap.add_argument("--out", type=Path, default=ROOT / "benches" / "raw" / "clips.json")
    ap.add_argument("--as-peer", metavar="FILM", help=argparse.SUPPRESS)
    return ap.parse_args()


def film(path, seconds):
    """Moving figures over a ground that changes."""
    source = f"testsrc2=size={SIZE}:rate={FPS}:duration={seconds}"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-c:v", "libx264", "-preset", "veryfast",
                    "-pix_fmt", "yuv420p", path], check=True)


def ours(args, path):
    call = [args.program, "run", "-m", args.model, path, QUESTION, "--video-mode", "smolvlm2", "--max-frames", str(MOST),
            "--video-edge", "512", "--dtype", "bf16", "-t", str(THREADS), "-n", "1", "--json"]
    start = time.monotonic()
    out = subprocess.run(call, check=True, capture_output=True, text=True).stdout
    seconds = time.monotonic() - start
    report = json.loads(out)
    return {"command": seconds, "peak": report["peak_rss"], "times": report["times"],
            "frames": len(report["clips"][0]["frames"]), "tokens": report["prompt_tokens"]}


def peer(args, path):
    start = time.monotonic()
    call = [sys.executable, "-W", "ignore", __file__, "--as-peer", path, "--model", args.model]
    env = {**os.environ, "OMP_NUM_THREADS": str(THREADS)}
    done = subprocess.run(call, check=True, capture_output=True, text=True, env=env)
    seconds = time.monotonic() - start
    return {"command": seconds, **json.loads(done.stdout.strip().splitlines()[-1])}


def as_peer(args):
    """transformers: loads, then decodes, prepares and answers with one token."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoTokenizer, SmolVLMProcessor
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
    from transformers.models.smolvlm.video_processing_smolvlm import SmolVLMVideoProcessor

    torch.set_num_threads(THREADS)
    edge = {"longest_edge": 512}
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    sampling = {"fps": 1, "max_frames": MOST, "video_size": edge}
    processor = SmolVLMProcessor(
        SmolVLMImageProcessorPil(size={"longest_edge": 2048}, max_image_size=edge, **half), AutoTokenizer.from_pretrained(args.model),
        SmolVLMVideoProcessor(size=edge, max_image_size=edge, video_sampling=sampling, **half), image_seq_len=64)
    model = AutoModelForImageTextToText.from_pretrained(args.model, dtype=torch.bfloat16).eval()
    messages = [{"role": "user", "content": [{"type": "video", "path": args.as_peer}, {"type": "text", "text": QUESTION}]}]
    start = time.monotonic()
    inputs = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=True,
                                           return_tensors="pt", do_sample_frames=True)
    decoded = time.monotonic()
    inputs = {key: value.to(torch.bfloat16) if value.is_floating_point() else value for key, value in inputs.items()}
    with torch.inference_mode():
        model.generate(**inputs, max_new_tokens=1, do_sample=False)
    end = time.monotonic()
    print(json.dumps({"loaded": end - start, "pixels": decoded - start, "frames": inputs["pixel_values"].shape[1],
                      "tokens": inputs["input_ids"].shape[1],
                      "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


def main():
    args = arguments()
    if args.as_peer:
        return as_peer(args)
    programs = {"smolvlm": ours} | ({} if args.no_peer else {"transformers": peer})
    rounds = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        film(path, args.seconds)
        for number in range(args.rounds):
            for name, measure in programs.items():
                rounds[name].append(measure(args, str(path)))
                print(number, name, {key: value for key, value in rounds[name][-1].items() if key != "times"}, flush=True)
    middle = lambda name, key: statistics.median(of_one[key] for of_one in rounds[name])
    weights = (args.model / "model.safetensors").stat().st_size
    print(f"smolvlm: first token after {middle('smolvlm', 'command'):.2f} s, at most {middle('smolvlm', 'peak') / 1e6:.0f} MB "
          f"(weights {weights / 1e6:.0f} MB)")
    if not args.no_peer:
        command, loaded = middle("transformers", "command"), middle("transformers", "loaded")
        own = middle("smolvlm", "command")
        print(f"transformers: {command:.2f} s ({command / own:.2f} times), without start and load {loaded:.2f} s "
              f"({loaded / own:.2f} times)")
    report = {"machine": machine(), "model": args.model.name, "seconds": args.seconds, "weights": weights, "rounds": rounds}
    args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
