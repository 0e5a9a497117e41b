# Pretrains a small Segment Anything model from scratch on drawn scenes, on CPU, within a time budget, and saves it in
# Hugging Face layout. The learning rate and the difficulty follow the share of the budget that is spent, so any budget
# ends with a finished schedule. It writes checkpoints on the way and measures the result on held-out scenes.
import argparse
import copy
import json
import math
import os
import random
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import SamModel

from feed import Feed
from measure import dice_of, held_out
from model import build, save


def main():
    options = parse()
    random.seed(options.seed), np.random.seed(options.seed), torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    model, detail = SamModel.from_pretrained(options.resume) if options.resume else build(), nn.Linear(64, 16)
    model.shared_image_embedding.positional_embedding.requires_grad_(False)
    average = copy.deepcopy(model).requires_grad_(False)
    steps, images, seconds = train(model, detail, average, options)
    save(average, options.out)
    mean, median, ellipse = dice_of(average, held_out(options.fashion_mnist, 999_001, 400))
    report(options, dict(steps=steps, images=images, training_seconds=round(seconds), held_out_dice_mean=round(mean, 4),
                         held_out_dice_median=round(median, 4), held_out_ellipse_dice=round(ellipse, 4)))


def train(model, detail, average, options):
    """Trains until the budget is spent; returns steps, images and seconds. `average` follows as a moving average."""
    trained = [p for p in list(model.parameters()) + list(detail.parameters()) if p.requires_grad]
    groups = [dict(params=[p for p in trained if p.ndim > 1]), dict(params=[p for p in trained if p.ndim < 2], weight_decay=0)]
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), weight_decay=0.02)
    feed = Feed(options.fashion_mnist, options.seed, 1.0 if options.ramp == 0 else 0.0)
    watch = held_out(options.fashion_mnist, 999_000, 60)
    modes = np.random.default_rng(options.seed + 2)
    started, budget = time.monotonic(), options.minutes * 60.0
    saved, logged, losses, step = started, started, [], 0
    while (spent := time.monotonic() - started) < budget:
        share = spent / budget
        feed.difficulty.value = 1.0 if options.ramp == 0 else min(1.0, max(0.0, (share - 0.04) / options.ramp))
        for group in optimizer.param_groups:
            group["lr"] = options.rate * schedule(share)
        mode = modes.choice(["box", "both", "point"], p=[0.6, 0.22, 0.18])
        loss = loss_of(model, detail, feed.batch(options.batch, 4, mode), mode == "point" and modes.random() < 0.5)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        follow(average, model, step)
        losses.append((mode, loss.item()))
        step += 1
        now = time.monotonic()
        if now - logged > 60:
            report(options, dict(step=step, share=round(share, 3), loss={m: round(float(np.mean([v for k, v in losses if k == m] or [0])), 3) for m in ("box", "both", "point")}))
            logged, losses = now, []
        if now - saved > options.checkpoint_minutes * 60:
            save(average, options.out)
            report(options, dict(step=step, checkpoint_dice=[round(v, 4) for v in dice_of(average, watch)]))
            saved = time.monotonic()
    feed.close()
    return step, step * options.batch, time.monotonic() - started


def schedule(share):
    """Warm-up over the first 3 % of the budget, then a cosine to 1 %."""
    return share / 0.03 if share < 0.03 else 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (share - 0.03) / 0.97))


def loss_of(model, detail, batch, several):
    """Dice + BCE on the low-resolution logits, the IoU head's error, and the patch detail that the embedding must keep.

    `several`: ask for three masks and train the best of each prompt only, as SAM does for ambiguous prompts.
    """
    pixels, prompt, target = batch
    embedding = model.vision_encoder(pixels).last_hidden_state
    output = model(image_embeddings=embedding, multimask_output=several, **prompt)
    logits = output.pred_masks  # [B, P, 1 or 3, 64, 64]
    wanted = target[:, :, None].expand_as(logits)
    probability = torch.sigmoid(logits)
    cross = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean((-1, -2))
    overlap = (probability * wanted).sum((-1, -2))
    dice = 1 - (2 * overlap + 1) / ((probability**2).sum((-1, -2)) + (wanted**2).sum((-1, -2)) + 1)
    best = (dice + cross).min(-1).values.mean()
    with torch.no_grad():
        hard, truth = logits > 0, wanted > 0.5
        union = (hard | truth).sum((-1, -2)).clamp(min=1)
        iou = (hard & truth).sum((-1, -2)) / union
    # A throw-away linear head must read the 4 x 4 local grey means of each patch from its embedding. Otherwise nothing
    # rewards the encoder for detail that these scenes do not ask for, and a decoder fine-tuned on it could not get it back.
    means = F.avg_pool2d(pixels.mean(1, keepdim=True), 4)
    patches = F.pixel_unshuffle(means, 4).permute(0, 2, 3, 1)
    kept = F.mse_loss(detail(embedding.permute(0, 2, 3, 1)), patches)
    return best + 0.1 * F.mse_loss(output.iou_scores, iou) + 0.3 * kept


@torch.no_grad()
def follow(average, model, step):
    """Moves the averaged weights towards the trained ones, faster at the start."""
    weight = max(0.002, 9.0 / (10.0 + step))
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), weight)


def report(options, fields):
    """One JSON line, to the log and to standard output."""
    line = json.dumps(fields)
    print(line, flush=True)
    os.makedirs(os.path.dirname(os.path.abspath(options.log)), exist_ok=True)
    with open(options.log, "a") as file:
        file.write(line + "\n")


def parse():
    parser = argparse.ArgumentParser(description="Pretrain the example's small SAM on drawn scenes.")
    parser.add_argument("--out", required=True, help="folder for the model in Hugging Face layout")
    parser.add_argument("--log", required=True, help="file that JSON lines are appended to")
    parser.add_argument("--fashion-mnist", default="/usr/share/datasets/fashion-mnist", help="folder of the gzipped IDX files")
    parser.add_argument("--minutes", type=float, default=52)
    parser.add_argument("--checkpoint-minutes", type=float, default=8)
    parser.add_argument("--resume", help="start from the weights of this model folder instead of from scratch")
    parser.add_argument("--ramp", type=float, default=0.3, help="share of the budget over which scenes get harder; 0: hard at once")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    main()
