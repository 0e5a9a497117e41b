# Turns the scene generator into training batches: one worker process draws scenes, a replay buffer lets each be seen a
# few times, turned, mirrored and with new prompts, so that drawing never holds training up.
import multiprocessing
import os

import numpy as np
import torch

from fields import SIZE, garments, texture_bank
from model import normalise
from scenes import LOW, PART, POINTS, WHOLE, jitter_box, make_scene, pack_scene

CHUNK = 4


def draw_forever(queue, difficulty, folder, seed):
    """Worker: puts chunks of packed scenes, at the difficulty (0..1) that the trainer last set."""
    os.nice(5)
    sources = {"garments": garments(folder, "train"), "textures": texture_bank()}
    rng = np.random.default_rng(seed)
    while True:
        chunk = []
        while len(chunk) < CHUNK:
            packed = pack_scene(rng, make_scene(rng, sources, difficulty.value * rng.uniform(0.5, 1)))
            if packed is not None:
                chunk.append(packed)
        queue.put(chunk)


class Feed:
    """Replay buffer over the worker. It owns a process and has an end, hence a class; call `close` when done."""

    def __init__(self, folder, seed, difficulty, capacity=2000):
        self.rng, self.capacity, self.scenes, self.next = np.random.default_rng(seed + 1), capacity, [], 0
        context = multiprocessing.get_context("spawn")
        self.difficulty, self.queue = context.Value("d", difficulty), context.Queue(64)
        self.worker = context.Process(target=draw_forever, args=(self.queue, self.difficulty, folder, seed), daemon=True)
        self.worker.start()
        while len(self.scenes) < 600:
            self.take()

    def take(self):
        """Moves one chunk from the worker into the buffer, over the oldest scenes once it is full."""
        for packed in self.queue.get():
            if len(self.scenes) < self.capacity:
                self.scenes.append(packed)
            else:
                self.scenes[self.next] = packed
                self.next = (self.next + 1) % self.capacity

    def batch(self, size, prompts, mode):
        """Tensors of `size` scenes with `prompts` prompts each; `mode` is `box`, `both` (box and points) or `point`."""
        self.take()
        count = 1 if self.rng.random() < 0.5 else 2
        rows = [prompt_scene(self.rng, turn(self.rng, self.scenes[i]), prompts, mode, count)
                for i in self.rng.integers(len(self.scenes), size=size)]
        pictures, valid, masks, boxes, points, labels = (np.stack(column) for column in zip(*rows))
        pixels = normalise(torch.from_numpy(pictures))
        if self.rng.random() < 0.1:  # most pictures are grey; some are not
            pixels = pixels * torch.from_numpy(self.rng.uniform(0.7, 1.3, (size, 3, 1, 1)).astype(np.float32))
        for row, (height, width) in enumerate(valid):  # the processor pads after normalising, with zeros
            pixels[row, :, height:] = 0
            pixels[row, :, :, width:] = 0
        prompt = {}
        if mode != "point":
            prompt["input_boxes"] = torch.from_numpy(boxes)
        if mode != "box":
            prompt["input_points"], prompt["input_labels"] = torch.from_numpy(points), torch.from_numpy(labels)
        return pixels, prompt, torch.from_numpy(masks).float() / 255.0

    def close(self):
        self.worker.terminate()


def turn(rng, packed):
    """Transposes a scene at random and mirrors it where it has no padding (padding stays right or below)."""
    picture, masks, boxes, points, kinds, valid = packed
    boxes, points = boxes.copy(), points.copy()
    if rng.random() < 0.5:
        picture, masks = picture.T, masks.transpose(0, 2, 1)
        boxes, points, valid = boxes[:, [1, 0, 3, 2]], points[:, :, ::-1].copy(), valid[::-1]
    for axis in (0, 1):
        if valid.min() == SIZE and rng.random() < 0.5:
            picture, masks = np.flip(picture, 1 - axis), np.flip(masks, 2 - axis)
            low, high = SIZE - 1 - boxes[:, axis + 2], SIZE - 1 - boxes[:, axis]
            boxes[:, axis], boxes[:, axis + 2] = low, high
            points[:, :, axis] = SIZE - 1 - points[:, :, axis]
    return picture, masks, boxes, points, kinds, valid


def prompt_scene(rng, packed, prompts, mode, count):
    """Draws targets that `mode` can tell apart, and prompts for them."""
    picture, masks, boxes, points, kinds, valid = packed
    fit = np.flatnonzero((kinds >= 0) & (kinds != (PART if mode == "box" else WHOLE)))
    if not len(fit):
        fit = np.flatnonzero(kinds >= 0)
    chosen = rng.choice(fit, prompts)
    clicks, labels = np.zeros((prompts, count, 2), np.float32), np.ones((prompts, count), np.int64)
    for row, target in enumerate(chosen):
        clicks[row] = points[target, rng.integers(POINTS, size=count)]
        if count == 2 and rng.random() < 0.5:
            clicks[row, 1], labels[row, 1] = miss(rng, masks[target], boxes[target]), 0
    jittered = np.stack([jitter_box(rng, boxes[target], valid) for target in chosen])
    return picture, valid, masks[chosen], jittered, clicks, labels


def miss(rng, mask, box):
    """A point in the box but off the object; where the box has no such point, any point off the object."""
    low = (box / 4).astype(int)
    empty = np.zeros((LOW, LOW), bool)
    empty[low[1] : low[3] + 1, low[0] : low[2] + 1] = True
    empty &= mask == 0
    off = np.flatnonzero(empty if empty.any() else mask == 0)
    if not len(off):
        return np.zeros(2, np.float32)
    spot = off[rng.integers(len(off))]
    return np.array([spot % LOW, spot // LOW], np.float32) * 4 + 2
