"""Clips as the reference shows them to golden/smolvlm2: transformers, the first SmolVLM's script, and VLMEvalKit.

    pip install torch torchvision transformers pillow num2words safetensors opencv-python-headless
    python scripts/make_clips.py golden SMOLLM VLMEVALKIT [VIDEO_SAMPLING]

SMOLLM and VLMEVALKIT are checkouts of huggingface/smollm and open-compass/VLMEvalKit; VIDEO_SAMPLING is the file that
lists the frames and the prompts of many clips. Draws frames into golden/smolvlm2/clips/frames and writes beside them, for the
mode NAME, NAME.json (frames, question, input ids, greedy tokens and text) and NAME.safetensors

    pixels          u8 [frames, 3, 64, 64]    tiles as Pillow makes them, before rescaling
    torch_pixels    u8 [frames, 3, 64, 64]    as transformers' video processor makes them (smolvlm2 alone)
    torch_bicubic   u8 [frames, 3, 64, 64]    the same by the filter that it takes on a GPU, and before torchvision 0.27
    image_features  f32 [frames, tokens, text_hidden]
    last_logits     f32 [4, vocab]
"""

import importlib.util
import json
import re
import sys
import types
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from transformers import AutoProcessor, SmolVLMForConditionalGeneration
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.video_utils import VideoMetadata

QUESTION = "What happens in the clip?"
FRAMES, FPS, SIZE = 23, 4.0, (96, 54)


def draw(folder):
    """A ball that crosses a ground of squares."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    ground = np.kron(rng.integers(60, 200, (9, 16, 3)), np.ones((6, 6, 1))).astype(np.uint8)
    frames = []
    for at in range(FRAMES):
        frame = Image.fromarray(ground)
        x = 6 + 4 * at
        ImageDraw.Draw(frame).ellipse([x - 6, 20, x + 6, 32], fill=(220, 30 + 8 * at, 40))
        frame.save(folder / f"{at:03}.png")
        frames.append(np.asarray(frame))
    return frames


def load(path, name, **stubs):
    """A module of a checkout, where some of what it imports is not there."""
    for module, made in stubs.items():
        sys.modules.setdefault(module, made)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def bytes_of(pixel_values):
    exact = (pixel_values[0].float() * 0.5 + 0.5) * 255
    assert (exact - exact.round()).abs().max() < 1e-3
    return exact.round().to(torch.uint8).contiguous()


def record(folder, name, model, processor, ids, pixels, more=None, **fields):
    values = ((pixels.float() / 255 - 0.5) / 0.5).unsqueeze(0)
    ids = torch.as_tensor(ids).reshape(1, -1)
    with torch.no_grad():
        features = model.model.get_image_features(values, torch.ones(values.shape[:2] + values.shape[3:], dtype=torch.bool))
        features = getattr(features, "pooler_output", features)
        features = features if isinstance(features, torch.Tensor) else torch.stack(list(features))
        logits = model(input_ids=ids, pixel_values=values).logits[0]
        greedy = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=values,
                                max_new_tokens=24, do_sample=False)[0, ids.shape[1]:]
    save_file({"pixels": pixels, "image_features": features.reshape(len(pixels), -1, features.shape[-1]).contiguous(),
               "last_logits": logits[-4:].contiguous(), **(more or {})}, folder / f"{name}.safetensors")
    (folder / f"{name}.json").write_text(json.dumps({
        "question": QUESTION, "fps": FPS, **fields, "input_ids": ids[0].tolist(), "greedy_ids": greedy.tolist(),
        "greedy_text": processor.decode(greedy, skip_special_tokens=True),
    }, indent=1))
    print(name, len(pixels), "frames", ids.shape[1], "tokens")


def smolvlm2(folder, model, processor, frames):
    """Prompt and frames by the processor; pixels by its video processor, and by Pillow's filter."""
    messages = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]}]
    metadata = VideoMetadata(total_num_frames=FRAMES, fps=FPS, duration=FRAMES / FPS)
    prompt = processor.apply_chat_template(messages, add_generation_prompt=True)
    shown = lambda **options: processor(text=prompt, videos=[np.stack(frames)], video_metadata=[metadata],
                                        do_sample_frames=True, return_tensors="pt", **options)
    inputs = shown()
    chosen = [int(at) for at in processor.video_processor.sample_frames(metadata)]
    images = [Image.fromarray(frames[at]) for at in chosen]
    edge = processor.video_processor.size["longest_edge"]
    pillow = processor.image_processor(images=[images], do_image_splitting=False, size={"longest_edge": edge},
                                       return_tensors="pt")["pixel_values"]
    record(folder, "smolvlm2", model, processor, inputs["input_ids"], bytes_of(pillow),
           {"torch_pixels": bytes_of(inputs["pixel_values"]),
            "torch_bicubic": bytes_of(shown(resample=Image.BICUBIC)["pixel_values"])}, indices=chosen)


def v1(folder, model, processor, frames, checkout):
    """The script's own frames and prompt: its decoder reads the drawn frames."""
    class Capture:
        def __init__(self, _):
            self.at = 0

        def isOpened(self):
            return True

        def get(self, what):
            return {7: FRAMES, 5: FPS}[what]

        def set(self, _, at):
            self.at = at

        def read(self):
            return True, frames[self.at][:, :, ::-1].copy()

        def release(self):
            pass

    script = load(checkout / "tools/smolvlm_local_inference/SmolVLM_video_inference.py", "script")
    script.cv2.VideoCapture = Capture
    seen = {}

    class Stop(Exception):
        pass

    def generate(**inputs):
        seen.update(inputs)
        raise Stop

    processor.image_processor.size = (384, 384)
    processor.image_processor.do_resize = False
    processor.image_processor.do_image_splitting = False
    try:
        script.generate_response(types.SimpleNamespace(device="cpu", generate=generate), processor, "", QUESTION)
    except Stop:
        pass
    chosen = list(range(0, FRAMES, int(FPS)))
    record(folder, "v1", model, processor, seen["input_ids"], bytes_of(seen["pixel_values"]), indices=chosen)


def vlmevalkit(folder, model, processor, frames, checkout):
    """Its prompt builder's text, and its frames: one a second."""
    base = types.ModuleType("vlmeval.vlm.base")
    base.BaseModel = object
    smp = types.ModuleType("vlmeval.smp")
    smp.__getattr__ = lambda name: (lambda *a, **k: len(a))
    package = types.ModuleType("vlmeval")
    vlm = types.ModuleType("vlmeval.vlm")
    package.__path__ = vlm.__path__ = []
    stubs = {"vlmeval": package, "vlmeval.vlm": vlm, "vlmeval.vlm.base": base, "vlmeval.smp": smp,
             "vlmeval.dataset": types.ModuleType("vlmeval.dataset")}
    stubs["vlmeval.dataset"].__getattr__ = lambda name: None
    kit = load(checkout / "vlmeval/vlm/smolvlm.py", "vlmeval.vlm.smolvlm", **stubs)
    chosen = [int(at * FPS) for at in range(int(FRAMES / FPS))]
    asked = types.SimpleNamespace(processor=processor, sampling_frames=64, resolution=64)
    message = [{"type": "image", "value": str(folder / f"frames/{at:03}.png")} for at in chosen]
    message.append({"type": "text", "value": f" {QUESTION}\n"})
    prompt, images = kit.SmolVLM2.build_prompt_video(asked, message, "MLVU")
    inputs = processor(text=prompt, images=images, return_tensors="pt")
    record(folder, "vlmevalkit", model, processor, inputs["input_ids"], bytes_of(inputs["pixel_values"]), indices=chosen,
           prompt=prompt)


def main():
    golden, smollm, kit = (Path(word) for word in sys.argv[1:4])
    root = golden / "smolvlm2"
    folder = root / "clips"
    model = SmolVLMForConditionalGeneration.from_pretrained(root, dtype=torch.float32, attn_implementation="eager").eval()

    def opened():
        processor = AutoProcessor.from_pretrained(root)
        processor.image_processor = SmolVLMImageProcessorPil.from_pretrained(root)
        return processor

    frames = draw(folder / "frames")
    smolvlm2(folder, model, opened(), frames)
    v1(folder, model, opened(), frames, smollm)
    vlmevalkit(folder, model, opened(), frames, kit)
    if len(sys.argv) > 4:
        rows = json.loads(Path(sys.argv[4]).read_text())
        block = "<fake_token_around_image><global-img><image><fake_token_around_image>"
        lines = [json.dumps({**row, "prompt": row["prompt"].replace(block, "@")}, separators=(",", ":")) for row in rows]
        (folder / "sampling.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
