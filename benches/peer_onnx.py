"""ONNX Runtime, for peers.py: the tower that torch exports, the decoder that onnxruntime-genai's builder makes.

Formats: f32; int8 (dynamic, products only); int4 (the builder's, blocks of 32, activations of 8 bits) with the tower of
int8. export_onnx.py makes the models once, in the cache.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
from worker import DECODED, once, seconds, serve

HERE = Path(__file__).parent


def random(*shape):
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32).clip(-1, 1)


def prepare(settings):
    def make(folder):
        subprocess.run(
            [sys.executable, HERE / "export_onnx.py", settings.checkpoint, settings.format, folder], check=True
        )

    folder = once(Path(settings.cache) / settings.shape / f"onnxruntime-{settings.format}", make)
    config = json.loads((Path(settings.checkpoint) / "config.json").read_text())
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = settings.threads, 1

    def session(file):
        return ort.InferenceSession(folder / file, options, providers=["CPUExecutionProvider"])

    tower = session("tower.onnx" if settings.format == "f32" else "tower_int8.onnx")
    text = session("text/last_int8.onnx" if settings.format == "int8" else "text/last.onnx")
    binding = text.io_binding()
    outputs = [output.name for output in text.get_outputs()]
    pasts = [entry.name for entry in text.get_inputs() if entry.name.startswith("past")]
    side = config["vision_config"]["image_size"]
    heads, width = (config["text_config"][key] for key in ("num_key_value_heads", "hidden_size"))
    nothing = [ort.OrtValue.ortvalue_from_numpy(np.zeros((1, heads, 0, 64), np.float32)) for _ in pasts]
    pixels, words = random(settings.tiles, 3, side, side), random(49280, width)
    ids = np.random.default_rng(0).integers(20, 49000, (1, settings.context))

    def step(ids, past, cache):
        """Keys and values stay the runtime's: nothing is copied through numpy."""
        binding.clear_binding_inputs()
        binding.clear_binding_outputs()
        binding.bind_cpu_input("inputs_embeds", words[ids])
        binding.bind_cpu_input("attention_mask", np.ones((1, past + ids.shape[1]), np.int64))
        for name, value in zip(pasts, cache):
            binding.bind_ortvalue_input(name, value)
        for name in outputs:
            binding.bind_output(name, "cpu")
        text.run_with_iobinding(binding)
        out = dict(zip(outputs, binding.get_outputs()))
        return out["logits"].numpy().argmax(-1), [out[name.replace("past_key_values", "present")] for name in pasts]

    def run():
        state = None

        def prefill():
            nonlocal state
            state = step(ids, 0, nothing)

        def decode():
            nonlocal state
            for i in range(DECODED):
                state = step(state[0], settings.context + i, state[1])

        return dict(
            vision=seconds(lambda: tower.run(None, dict(pixels=pixels))),
            prefill=seconds(prefill),
            decode_token=seconds(decode) / DECODED,
        )

    return run, dict(onnxruntime=ort.__version__)


serve(prepare)
