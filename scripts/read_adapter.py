"""What peft makes of an adapter folder that another program wrote.

    pip install torch transformers safetensors peft
    python scripts/read_adapter.py ADAPTER_DIR golden/idefics3-256m two

Loads the adapter onto the base (float32, evaluation mode) and prints one line of JSON for the golden case: `loss`, the
mean cross-entropy of every next token that is no picture's, and `last_logits`, [4, V]. Fails where the folder lacks a
tensor of the adapter, holds one that is none of its own, or peft reads other numbers than the file's.
"""

import json
import sys
from pathlib import Path

import torch
from make_adapters import inputs_of, load, loss_and_logits
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file

torch.set_num_threads(1)
folder, base, case = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
model = PeftModel.from_pretrained(load(base, torch.float32), folder).eval()
read, kept = get_peft_model_state_dict(model), load_file(folder / "adapter_model.safetensors")
if read.keys() != kept.keys():
    sys.exit(f"missing: {sorted(read.keys() - kept.keys())}, unexpected: {sorted(kept.keys() - read.keys())}")
for name, tensor in kept.items():
    if not torch.equal(read[name], tensor.float()):
        sys.exit(f"{name}: read as other numbers")
with torch.no_grad():
    loss, logits = loss_and_logits(model, inputs_of(base, case, torch.float32))
print(json.dumps({"loss": loss.item(), "last_logits": logits.tolist()}))
