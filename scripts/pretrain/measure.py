# Held-out measurement in the model's own domain: fresh scenes of the final difficulty, garments of Fashion-MNIST's test
# split, a jittered box as the only prompt, one mask, Dice at full resolution against the object's exact mask.
import numpy as np
import torch

from fields import garments, texture_bank
from model import normalise
from scenes import PART, jitter_box, make_scene, tight_box


def held_out(folder, seed, count):
    """List of (picture, valid, boxes [P,4], masks [P,S,S]); deterministic in `seed`."""
    sources = {"garments": garments(folder, "t10k"), "textures": texture_bank()}
    rng, scenes = np.random.default_rng(seed), []
    while len(scenes) < count:
        picture, targets, valid = make_scene(rng, sources, rng.uniform(0.5, 1))
        masks = [mask for kind, mask in targets if kind != PART]
        if masks:
            boxes = np.stack([jitter_box(rng, tight_box(mask), valid) for mask in masks])
            scenes.append((picture, valid, boxes, np.stack(masks)))
    return scenes


@torch.no_grad()
def dice_of(model, scenes):
    """Mean, median and mean-by-an-ellipse-in-the-box Dice over all targets."""
    scores, ellipses = [], []
    for picture, (height, width), boxes, masks in scenes:
        pixels = normalise(torch.from_numpy(picture)[None])
        pixels[:, :, height:] = 0
        pixels[:, :, :, width:] = 0
        logits = model(pixel_values=pixels, input_boxes=torch.from_numpy(boxes)[None], multimask_output=False).pred_masks
        found = upscale(logits[0, :, 0])
        scores += [dice(a, b) for a, b in zip(found, masks)]
        ellipses += [dice(ellipse(box, mask.shape), mask) for box, mask in zip(boxes, masks)]
    return float(np.mean(scores)), float(np.median(scores)), float(np.mean(ellipses))


def upscale(logits):
    """Low-resolution logits [P, 64, 64] to boolean masks [P, 256, 256]."""
    full = torch.nn.functional.interpolate(logits[:, None], scale_factor=4, mode="bilinear", align_corners=False)
    return (full[:, 0] > 0).numpy()


def dice(a, b):
    return 2 * float((a & b).sum()) / max(1.0, float(a.sum() + b.sum()))


def ellipse(box, shape):
    """Boolean ellipse inscribed in x1, y1, x2, y2: what the box alone gives away."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    cx, cy, rx, ry = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, (box[2] - box[0] + 1) / 2, (box[3] - box[1] + 1) / 2
    return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1
