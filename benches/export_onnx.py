"""A checkpoint as ONNX, for peer_onnx.py, which calls it: `python export_onnx.py CHECKPOINT FORMAT FOLDER`."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import AutoTokenizer, Idefics3ForConditionalGeneration, LlamaConfig, LlamaForCausalLM


def last_row_only(source, target):
    """Keep the last position before the output projection."""
    model = onnx.load(source)
    nodes = model.graph.node
    product = next(node for node in nodes if "logits" in node.output)
    for name, value in (("from", -1), ("to", np.iinfo(np.int32).max), ("axis", 1)):
        model.graph.initializer.append(numpy_helper.from_array(np.array([value]), f"last.{name}"))
    nodes.insert(
        list(nodes).index(product),
        helper.make_node("Slice", [product.input[0], "last.from", "last.to", "last.axis"], ["last"]),
    )
    product.input[0] = "last"
    onnx.save(model, target, save_as_external_data=True, location=target.name + ".data")


def export(checkpoint, form, folder):
    model = Idefics3ForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32).eval()
    vision, side = model.model.vision_model, model.config.vision_config.image_size

    class Tower(torch.nn.Module):
        """Without the masks: every patch of every tile is there."""

        def __init__(self):
            super().__init__()
            self.tower, self.connector = vision, model.model.connector

        def forward(self, pixels):
            rows = self.tower.embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
            rows = rows + self.tower.embeddings.position_embedding.weight
            return self.connector(self.tower.post_layernorm(self.tower.encoder(inputs_embeds=rows)[0]))

    torch.onnx.export(
        Tower().eval(),
        (torch.zeros(1, 3, side, side),),
        folder / "tower.onnx",
        input_names=["pixels"],
        output_names=["rows"],
        dynamic_axes=dict(pixels={0: "tiles"}, rows={0: "tiles"}),
        opset_version=18,
        dynamo=False,
    )
    settings = model.config.text_config.to_dict() | dict(
        model_type="llama", architectures=["LlamaForCausalLM"], tie_word_embeddings=False
    )
    decoder = LlamaForCausalLM(LlamaConfig(**settings)).to(torch.float32)
    decoder.model.load_state_dict(model.model.text_model.state_dict())
    decoder.lm_head.load_state_dict(model.lm_head.state_dict())
    decoder.save_pretrained(folder / "llama")
    AutoTokenizer.from_pretrained(checkpoint).save_pretrained(folder / "llama")
    precision = ["-p", "int4"] if form == "int4" else ["-p", "fp32"]
    options = ["exclude_embeds=true", *(["int4_accuracy_level=4", "int4_block_size=32"] if form == "int4" else [])]
    subprocess.run(
        [
            sys.executable,
            "-m",
            "onnxruntime_genai.models.builder",
            "-m",
            "llama",
            "-i",
            folder / "llama",
            "-e",
            "cpu",
            "-o",
            folder / "text",
            *precision,
            "-c",
            folder / "hub",
            "--extra_options",
            *options,
        ],
        check=True,
    )
    last_row_only(folder / "text/model.onnx", folder / "text/last.onnx")
    if form != "f32":
        eight = dict(weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul", "Gemm"])
        quantize_dynamic(folder / "tower.onnx", folder / "tower_int8.onnx", **eight)
        if form == "int8":
            quantize_dynamic(
                folder / "text/last.onnx", folder / "text/last_int8.onnx", use_external_data_format=True, **eight
            )


export(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
