"""Compares a run under Flower with one under FedSAM: python compare.py FLOWER_FOLDER FEDSAM_OUTPUT. See docs/how-to-from-flower.md."""

import json
import sys
from pathlib import Path

import numpy as np
from fedsam_client import tensors


def main():
    flower, fedsam = Path(sys.argv[1]), Path(sys.argv[2]) / "output"
    theirs = {spec.name: array for spec, array in tensors.read(str(flower / "final.safetensors"))}
    ours = {spec.name: array for spec, array in tensors.read(str(fedsam / "model.safetensors"))}
    assert sorted(theirs) == sorted(ours)
    for name, array in theirs.items():
        print(f"{name}: {array.dtype} {ours[name].dtype}, {np.abs(array.astype(float) - ours[name].astype(float)).max():.2g} apart")
    metrics = json.loads((flower / "metrics.json").read_text())
    for found in json.loads((fedsam / "metrics.json").read_text())["rounds"]:
        for kind, values in (("train", found["training"]), ("evaluate", (found["evaluation"] or {}).get("metrics", {}))):
            for name, value in metrics[kind].get(str(found["round"]), {}).items():
                print(f"round {found['round']} {kind} {name}: {value} {values[name]}, {abs(value - values[name]):.2g} apart")


if __name__ == "__main__":
    main()
