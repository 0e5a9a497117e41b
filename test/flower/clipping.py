"""The clipped round of a federation, by NumPy and in float64: what the coordinator's fold is compared with.

Reads base.safetensors and <client>.safetensors of a folder, and its case.json: {"clients": [...], "examples": [...], "norm": C,
"type": strategy}. Writes expected.safetensors, and prints the norms as JSON. Clipping: Sun et al. 2019, arXiv 1911.07963.
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

folder = Path(sys.argv[1])
case = json.loads((folder / "case.json").read_text())
base = load_file(folder / "base.safetensors")
# Counters and flags are left out of the norm, and of the clipping.
floats = [name for name in sorted(base) if base[name].dtype.kind == "f"]


def flat(tensors):
    return np.concatenate([tensors[name].astype(np.float64).ravel() for name in floats])


start = flat(base)
deltas = np.stack([flat(load_file(folder / f"{client}.safetensors")) - start for client in case["clients"]])
norms = np.linalg.norm(deltas, axis=1)
clipped = deltas * np.minimum(1.0, case["norm"] / norms)[:, np.newaxis]
examples = np.array(case["examples"], dtype=np.float64)

if case["type"] == "FedMedian":
    combined = np.median(clipped, axis=0)
elif case["type"] == "Krum":
    distances = ((clipped[:, np.newaxis, :] - clipped[np.newaxis, :, :]) ** 2).sum(axis=2)
    nearest = len(examples) - 2
    combined = clipped[np.argmin(np.sort(distances, axis=1)[:, 1 : 1 + nearest].sum(axis=1))]
else:
    combined = examples @ clipped / examples.sum()

new = start + combined
if case["type"] == "FedAdagrad":
    new = start + 0.1 * combined / (np.sqrt(combined**2) + 0.001)

tensors, at = {}, 0
for name in floats:
    tensors[name] = new[at : at + base[name].size].reshape(base[name].shape)
    at += base[name].size
save_file(tensors, folder / "expected.safetensors")
print(json.dumps(norms.tolist()))
