"""OpenVINO, with models that optimum-intel exports, for peers.py.

Formats: bf16 and f32 are what is computed in, with weights of 16 bits; int8 has a tower quantised by NNCF (weights and
activations) and a decoder with weights of 8 bits; int4 has the same tower and weights of 4 bits in groups of 64; both
compute the rest in bf16. Exports are made once, in the cache.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as ops
from worker import DECODED, once, seconds, serve

WEIGHTS = {
    "bf16": ["--weight-format", "fp16"],
    "f32": ["--weight-format", "fp16"],
    "int8": ["--weight-format", "int8"],
    "int4": ["--weight-format", "int4", "--group-size", "64", "--ratio", "1.0"],
}
VISION, TEXT, WORDS = (f"openvino_{part}_model.xml" for part in ("vision_embeddings", "language", "text_embeddings"))
QUANTISED = "vision_int8.xml"


def random(*shape):
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32).clip(-1, 1)


def tower_input(config, tiles):
    side = config["vision_config"]["image_size"]
    grid = side // config["vision_config"]["patch_size"]
    return dict(
        pixel_values=random(tiles, 3, side, side),
        patch_attention_mask=np.ones((tiles, grid, grid), bool),
        patch_position_ids=np.tile(np.arange(grid * grid), (tiles, 1)),
    )


def read_tower(core, file, config, tiles):
    """The tower with the connector; tiles = -1 leaves their number open."""
    tower = core.read_model(file)
    tower.reshape({name: [tiles, *value.shape[1:]] for name, value in tower_input(config, 1).items()})
    return tower


def quantise(folder):
    """In a process of its own: NNCF's static 8 bits of the tower."""
    import nncf

    config = json.loads((folder / "config.json").read_text())
    tower = read_tower(ov.Core(), folder / VISION, config, 1)
    data = nncf.Dataset([tower_input(config, 1)])
    done = nncf.quantize(tower, data, model_type=nncf.ModelType.TRANSFORMER, subset_size=1, fast_bias_correction=True)
    done.reshape({name: [-1, *value.shape[1:]] for name, value in tower_input(config, 1).items()})
    ov.save_model(done, folder / QUANTISED)


def export(settings):
    def make(folder):
        program = "from optimum.commands.optimum_cli import main; main()"
        subprocess.run(
            [
                sys.executable,
                "-c",
                program,
                "export",
                "openvino",
                "--task",
                "image-text-to-text",
                "--model",
                settings.checkpoint,
                *WEIGHTS[settings.format],
                folder,
            ],
            check=True,
        )
        if settings.format in ("int8", "int4"):
            subprocess.run([sys.executable, __file__, "quantise", folder], check=True)

    name = "openvino-" + WEIGHTS[settings.format][1]
    return once(Path(settings.cache) / settings.shape / name, make)


def last_row_only(model):
    """Keep the last position before the output projection, as openvino_genai does."""
    product = model.output("logits").node.input_value(0).get_node()
    at = [ops.constant(np.array([v])) for v in (-1, np.iinfo(np.int32).max, 1, 1)]
    product.input(0).replace_source_output(ops.slice(product.input_value(0), *at).output(0))
    model.validate_nodes_and_infer_types()
    return model


def prepare(settings):
    folder = export(settings)
    config = json.loads((folder / "config.json").read_text())
    core = ov.Core()
    options = dict(
        INFERENCE_PRECISION_HINT="f32" if settings.format == "f32" else "bf16",
        PERFORMANCE_HINT="LATENCY",
        NUM_STREAMS="1",
        INFERENCE_NUM_THREADS=str(settings.threads),
    )
    file = folder / (QUANTISED if settings.format in ("int8", "int4") else VISION)
    tower = core.compile_model(read_tower(core, file, config, settings.tiles), "CPU", options).create_infer_request()
    decoder = core.compile_model(last_row_only(core.read_model(folder / TEXT)), "CPU", options)
    words = core.compile_model(core.read_model(folder / WORDS), "CPU", options).create_infer_request()
    text = decoder.create_infer_request()
    pixels = tower_input(config, settings.tiles)
    ids = np.random.default_rng(0).integers(20, 49000, (1, settings.context))

    def step(ids, past):
        rows = ids.shape[1]
        out = text.infer(
            dict(
                inputs_embeds=words.infer({0: ids})[0],
                attention_mask=np.ones((1, past + rows), np.int64),
                position_ids=np.arange(past, past + rows)[None],
                beam_idx=np.zeros(1, np.int32),
            )
        )
        return out["logits"][:, -1:].argmax(-1)

    def run():
        token = None

        def prefill():
            nonlocal token
            text.reset_state()
            token = step(ids, 0)

        def decode():
            nonlocal token
            for i in range(DECODED):
                token = step(token, settings.context + i)

        return dict(
            vision=seconds(lambda: tower.infer(pixels)),
            prefill=seconds(prefill),
            decode_token=seconds(decode) / DECODED,
        )

    chosen = {
        key.lower(): str(decoder.get_property(key)) for key in ("KV_CACHE_PRECISION", "DYNAMIC_QUANTIZATION_GROUP_SIZE")
    }
    return run, dict(openvino=ov.__version__, **chosen)


if sys.argv[1] == "quantise":
    quantise(Path(sys.argv[2]))
else:
    serve(prepare)
