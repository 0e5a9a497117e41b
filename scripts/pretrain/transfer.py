# Checks that a pretrained model is worth fine-tuning: decoder-only federated averaging of one mask value over the sites of
# a data set (embeddings computed once, encoders frozen, Adam, Dice + BCE), measured before and after on a contiguous
# block of slices that no site trained on. It is a check of the weights, not the project's federated implementation.
import argparse
import copy
import os
import random

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from transformers import SamImageProcessor, SamModel

from measure import dice, ellipse
from scenes import tight_box


def main():
    options = parse()
    torch.manual_seed(options.seed), random.seed(options.seed)
    torch.set_num_threads(1)
    model, processor = SamModel.from_pretrained(options.model).eval(), SamImageProcessor.from_pretrained(options.model)
    sites = {name: load(model, processor, os.path.join(options.data, name), options.value) for name in sorted(os.listdir(options.data))
             if os.path.isdir(os.path.join(options.data, name))}
    parts = {name: split(samples, options.held_from) for name, samples in sites.items()}
    show("ellipse in the true box", {n: float(np.mean([dice(ellipse(s["box"], s["mask"].shape), s["mask"]) for s in held])) for n, (_, held) in parts.items()})
    show("pretrained", {name: score(model, held) for name, (_, held) in parts.items()})
    rng = np.random.default_rng(options.seed)
    for number in range(options.rounds):
        updates = []
        for train, _ in parts.values():
            client = copy.deepcopy(model)
            fit(client, train, options, rng)
            updates.append((len(train), client.mask_decoder.state_dict()))
        total = sum(count for count, _ in updates)
        model.mask_decoder.load_state_dict({key: sum(count / total * state[key] for count, state in updates) for key in updates[0][1]})
        if (number + 1) % 5 == 0 or number == 0:
            show(f"round {number + 1}", {name: score(model, held) for name, (_, held) in parts.items()})


@torch.no_grad()
def load(model, processor, folder, value):
    """Samples of one site in slice order: embedding, exact mask, tight box, and the scale from its pixels to the model's."""
    samples = []
    for name in sorted(os.listdir(os.path.join(folder, "images"))):
        picture = Image.open(os.path.join(folder, "images", name)).convert("RGB")
        mask = np.array(Image.open(os.path.join(folder, "masks", name))) == value
        if not mask.any():
            continue
        scale = 256 / max(picture.size)
        pixels = processor(picture, return_tensors="pt")["pixel_values"]
        samples.append(dict(embedding=model.vision_encoder(pixels).last_hidden_state[0], mask=mask, box=tight_box(mask), scale=scale, low=low_target(mask, scale)))
    return samples


def low_target(mask, scale):
    """The mask as the model sees it, padded right and below, as soft 64 x 64 coverage."""
    height, width = (round(side * scale) for side in mask.shape)
    full = F.interpolate(torch.from_numpy(mask)[None, None].float(), (height, width), mode="bilinear", antialias=True)
    return F.avg_pool2d(F.pad(full, (0, 256 - width, 0, 256 - height)), 4)[0, 0]


def split(samples, held_from):
    """A contiguous fifth starting at the share `held_from`; the slice on either side of it is dropped, not trained on."""
    first = int(len(samples) * held_from)
    last = first + round(len(samples) / 5)
    return [s for i, s in enumerate(samples) if i < first - 1 or i > last], samples[first:last]


def predict(model, batch, boxes):
    """Low-resolution logits [B, 64, 64] of the single mask for boxes in model pixels."""
    embeddings = torch.stack([s["embedding"] for s in batch])
    return model(image_embeddings=embeddings, input_boxes=torch.from_numpy(boxes)[:, None], multimask_output=False).pred_masks[:, 0, 0]


def fit(model, samples, options, rng):
    """Trains the decoder for `options.epochs` on one site, with boxes moved outwards by up to 20 pixels."""
    model.requires_grad_(False)
    model.mask_decoder.requires_grad_(True)
    optimizer = torch.optim.Adam(model.mask_decoder.parameters(), lr=options.rate)
    for _ in range(options.epochs):
        order = rng.permutation(len(samples))
        for start in range(0, len(order), options.batch):
            batch = [samples[i] for i in order[start : start + options.batch]]
            boxes = np.stack([(s["box"] + rng.uniform(0, 20, 4) * [-1, -1, 1, 1]).clip(0) * s["scale"] for s in batch]).astype(np.float32)
            logits, wanted = predict(model, batch, boxes), torch.stack([s["low"] for s in batch])
            p = torch.sigmoid(logits)
            overlap = 1 - (2 * (p * wanted).sum((1, 2)) + 1e-5) / ((p**2).sum((1, 2)) + (wanted**2).sum((1, 2)) + 1e-5)
            loss = overlap.mean() + F.binary_cross_entropy_with_logits(logits, wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


@torch.no_grad()
def score(model, samples):
    """Mean Dice at the pictures' own resolution, prompted by the true box."""
    values = []
    for s in samples:
        logits = predict(model, [s], (s["box"] * s["scale"])[None].astype(np.float32))
        height, width = s["mask"].shape
        full = F.interpolate(logits[None], (256, 256), mode="bilinear")[..., : round(height * s["scale"]), : round(width * s["scale"])]
        found = F.interpolate(full, (height, width), mode="bilinear")[0, 0] > 0
        values.append(dice(found.numpy(), s["mask"]))
    return float(np.mean(values))


def show(title, values):
    print(f"{title:24}", *(f"{name} {value:.3f}" for name, value in values.items()), f"mean {np.mean(list(values.values())):.3f}", flush=True)


def parse():
    parser = argparse.ArgumentParser(description="Decoder-only federated averaging on example data, as a check of the weights.")
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, help="folder of sites, each with images/ and masks/")
    parser.add_argument("--value", type=int, default=2, help="mask value to segment")
    parser.add_argument("--held-from", type=float, default=0.4, help="where the held-out fifth begins, as a share of the slices")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
