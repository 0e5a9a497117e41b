"""Clients that are wrong in one way each: the partition's name says in which."""

import os
import subprocess
import sys
import time

import numpy as np

SHAPES = [(3, 2), (2,)]


class Client:
    def __init__(self, cid):
        self.way = cid
        if cid == "raises-at-start":
            raise RuntimeError("no picture in the folder")

    def get_parameters(self, config):
        if self.way.startswith("has-none"):
            raise RuntimeError("no parameters yet")
        return [np.zeros(shape, "float32") for shape in SHAPES]

    def evaluate(self, parameters, config):
        if self.way == "raises-in-evaluate":
            raise KeyError("dice")
        if self.way == "evaluates-none":
            return None
        if self.way == "leaves-in-evaluate":
            sys.exit(4)
        if self.way == "dies-in-evaluate":
            os._exit(5)
        if self.way == "evaluates-nothing":
            return float("nan"), 0, {"dice": float("nan")}
        return float("nan") if self.way == "nan-loss" else 0.5, 2, {"dice": 0.5}

    def fit(self, parameters, config):
        way = getattr(self, self.way.replace("-", "_"), None)
        trained = [array + np.float32(1) for array in parameters]
        return (trained, 1, {}) if way is None else way(trained)

    def other_shape(self, trained):
        return [trained[0].T, trained[1]], 1, {}

    def fewer_arrays(self, trained):
        return trained[:1], 1, {}

    def not_a_number(self, trained):
        trained[1][1] = np.nan
        return trained, 1, {}

    def objects(self, trained):
        return [trained[0], np.array([[1], [1, 2]], dtype=object)], 1, {}

    def strings(self, trained):
        return ["weights", trained[1]], 1, {}

    def no_examples(self, trained):
        return trained, {}

    def float_examples(self, trained):
        return trained, 3.5, {}

    def negative_examples(self, trained):
        return trained, -1, {}

    def raises_in_fit(self, trained):
        raise ValueError("the loss is gone")

    def hangs(self, trained):
        time.sleep(3600)

    def exits(self, trained):
        os._exit(3)

    def leaves(self, trained):
        sys.exit("enough")

    def huge(self, trained):
        return [np.zeros(2**29, "float32"), trained[1]], 1, {}

    def good_but_prints(self, trained):
        print('{"type": "fitted", "id": 2, "num_examples": 9, "metrics": {}}')
        os.write(1, b"no line\n")
        return trained, 1, {"note": "dropped", "loss": 0.25}

    def good_but_forks(self, trained):
        subprocess.Popen(["sleep", "20"])
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        return trained, 1, {}
