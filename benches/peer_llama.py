"""llama.cpp's own programs, for peers.py.

Formats: F16, BF16, Q8_0, Q4_0, Q4_K_M; the tower is in Q8_0 beside all that begin with Q.

Here the worker does no work itself: a run starts llama-mtmd-cli on a picture of as many tiles and adds up what it says
encoding took (whole milliseconds), then llama-bench for the prompt, and for decoding at that depth. Each program warms
itself. `peak_rss` is the larger program's. GGUF files are made once, in the cache.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from worker import DECODED, once, serve

SIZE = (1920, 1080)


def convert(source, arguments):
    """In a process of its own: llama.cpp's converter, told which tokenizer it is.

    It knows tokenizers by a digest, and would refuse the one of checkpoint.py.
    """
    sys.path[:0] = [str(source), str(source / "gguf-py")]
    import runpy

    from conversion.base import TextModel

    TextModel.get_vocab_base_pre = lambda self, tokenizer: "smollm"
    sys.argv = ["convert_hf_to_gguf.py", *arguments]
    runpy.run_path(str(source / sys.argv[0]), run_name="__main__")


def export(settings, source, programs):
    """The decoder's file and the tower's."""

    def converted(file, kind, *more):
        call = [sys.executable, __file__, "convert", source, settings.checkpoint, "--outfile", file, "--outtype", kind]
        subprocess.run([*call, *more], check=True)

    def make(folder):
        if settings.format in ("F16", "BF16"):
            converted(folder / "text.gguf", settings.format.lower())
            converted(folder / "vision.gguf", settings.format.lower(), "--mmproj")
        else:
            whole = folder / "f16.gguf"
            converted(whole, "f16")
            converted(folder / "vision.gguf", "q8_0", "--mmproj")
            subprocess.run([programs / "llama-quantize", whole, folder / "text.gguf", settings.format], check=True)
            whole.unlink()

    folder = once(Path(settings.cache) / settings.shape / f"llama.cpp-{settings.format}", make)
    return folder / "text.gguf", folder / "vision.gguf"


def picture(file):
    """Something that is not one colour, as PPM."""
    width, height = SIZE
    rows = (bytes((x * y + 85 * c) >> 4 & 255 for x in range(width) for c in range(3)) for y in range(height))
    file.write_bytes(b"P6 %d %d 255\n" % SIZE + b"".join(rows))


def output(call):
    """What a program said on either stream, and the most memory it had."""
    process = subprocess.Popen(list(map(str, call)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = process.stdout.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said
    return said, usage.ru_maxrss * 1024


def prepare(settings):
    source = Path(settings.llama)
    programs = source / "build/bin"
    text, vision = export(settings, source, programs)
    image = Path(settings.cache) / "picture.ppm"
    if not image.exists():
        picture(image)

    def bench(*arguments):
        said, _ = output(
            [programs / "llama-bench", "-m", text, "-t", settings.threads, "-r", 1, "-o", "json", *arguments]
        )
        return json.loads(said[said.index("[\n") :])[0]

    def run():
        said, peak = output(
            [
                programs / "llama-mtmd-cli",
                "-m",
                text,
                "--mmproj",
                vision,
                "--image",
                image,
                "-p",
                "What is this?",
                "-n",
                1,
                "-c",
                4096,
                "-t",
                settings.threads,
                "--temp",
                0,
            ]
        )
        times = [int(ms) for ms in re.findall(r"(?:encoded|encoding done) in (\d+) ms", said)]
        tiles = sum(map(int, re.findall(r"encoding mtmd batch, n_chunks = (\d+)", said)))
        assert times and tiles == settings.tiles, f"{len(times)} times of {tiles} tiles in:\n{said}"
        prefill = bench("-p", settings.context, "-n", 0)["avg_ns"] / 1e9
        decode = bench("-p", 0, "-n", DECODED, "-d", settings.context)["avg_ns"] / 1e9
        return dict(vision=sum(times) / 1000, prefill=prefill, decode_token=decode / DECODED, peak_rss=peak)

    about = bench("-p", 1, "-n", 0)
    build = f"{about['build_number']} {about['build_commit']}"
    return run, {"llama.cpp": build} | {key: about[key] for key in ("n_ubatch", "flash_attn", "type_k")}


if sys.argv[1] == "convert":
    convert(Path(sys.argv[2]), sys.argv[3:])
else:
    serve(prepare)
