"""transformers' Idefics3 on torch, for peers.py. Formats: bf16, f32."""

import torch
import transformers
from checkpoint import model
from worker import DECODED, seconds, serve


def prepare(settings):
    torch.set_num_threads(settings.threads)
    torch.manual_seed(0)
    assert settings.format in ("bf16", "f32"), "transformers: bf16 or f32"
    made = model(settings.shape, settings.format)
    side = made.config.vision_config.image_size

    @torch.inference_mode()
    def run():
        pixels = torch.randn(1, settings.tiles, 3, side, side, dtype=made.dtype)
        mask = torch.ones(1, settings.tiles, side, side, dtype=torch.bool)
        ids = torch.randint(20, 49000, (1, settings.context))
        vision = seconds(lambda: made.model.get_image_features(pixel_values=pixels, pixel_attention_mask=mask))
        out = None

        def prefill():
            nonlocal out
            out = made(input_ids=ids, use_cache=True, logits_to_keep=1)

        def decode():
            nonlocal out
            for _ in range(DECODED):
                token = out.logits[:, -1:].argmax(-1)
                out = made(input_ids=token, past_key_values=out.past_key_values, use_cache=True)

        return dict(vision=vision, prefill=seconds(prefill), decode_token=seconds(decode) / DECODED)

    return run, dict(torch=torch.__version__, transformers=transformers.__version__)


serve(prepare)
