"""python compare.py CLIENT BUILT_IN: how far the parameters of two runs' output folders are from each other.

CLIENT is the output of job.yaml with box_perturbation=0 and shuffle=False, BUILT_IN that of built-in.yaml. Biases of k_proj
are listed apart: softmax does not see them, so their true gradient is 0 and Adam moves them by rounding noise.
"""

import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from transformers import SamModel

CHECKPOINT = Path(__file__).parent.parent / "models" / "sam-tiny-scenes"


def main(client, built_in):
    start = {name: value.numpy() for name, value in SamModel.from_pretrained(CHECKPOINT).state_dict().items()}
    numbered = load_file(Path(client) / "output" / "model.safetensors")
    ours = load_file(Path(built_in) / "output" / "model.safetensors")
    theirs = dict(zip(start, (numbered[name] for name in sorted(numbered))))
    apart = {name: np.abs(theirs[name] - ours[name]).max() for name in ours}
    moved = max(np.abs(ours[name] - start[name]).max() for name in ours)
    biases = {name: value for name, value in apart.items() if name.endswith("k_proj.bias")}
    others = {name: value for name, value in apart.items() if name not in biases}
    worst = max(others, key=others.get)
    print(f"{len(ours)} tensors trained; the farthest that a parameter moved: {moved:.2e}")
    print(f"farthest apart: {others[worst]:.2e} in {worst}")
    print(f"k_proj biases: {max(biases.values()):.2e}")
    frozen = [name for name in theirs if name not in ours]
    still = all(np.array_equal(theirs[name], start[name]) for name in frozen)
    print(f"{len(frozen)} tensors that do not train are {'as they were' if still else 'NOT as they were'}")
    return 0 if others[worst] <= 1e-4 and still else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
