# Scene generator for pretraining: grey pictures of 1 to 3 objects with exact masks, from garments and drawn shapes.
# A scene has two kinds of targets. OBJECT: what a box around it means (everything that is not background). PART: one
# grey level of an object made of several, which only a point can tell apart. No medical picture of a brain, and nothing
# derived from one, is used; the folded multi-level shapes are thresholded random fields.
import cv2
import numpy as np

from fields import SIZE, band_noise, blob, garment, polygon, smooth_noise, stripes, texture

OBJECT, WHOLE, PART = 0, 1, 2  # WHOLE: an object that has parts, so a lone point on it would be ambiguous
LOW = SIZE // 4
TARGETS, POINTS = 6, 8


def pick_levels(rng, away_from, count, gap):
    """`count` grey levels in 8..247, each at least `gap` from the others and from `away_from`; the gap shrinks if needed."""
    levels = [away_from]
    while len(levels) <= count:
        candidate = rng.uniform(8, 247)
        if all(abs(candidate - level) >= gap for level in levels):
            levels.append(candidate)
        gap *= 0.98
    return levels[1:]


def folded(rng, centre, radius, background, gap, bank):
    """Object of 2 or 3 grey levels: an outer ribbon folded into the inside, islands, and often gaps of background."""
    outline = blob(rng, centre, radius)
    depth = cv2.distanceTransform(outline.astype(np.uint8), cv2.DIST_L2, 3)
    scale = rng.uniform(10, 34)
    width = rng.uniform(8, 22)
    field = band_noise(rng, scale / 1.7) if rng.random() < 0.5 else smooth_noise(rng, scale)
    score = depth / width + field * rng.uniform(0.3, 1.5)
    if rng.random() < 0.5:  # background reaches into the folds
        outline &= score > rng.uniform(-0.6, 0.35)
    threshold = rng.uniform(0.7, 1.6)
    index = (score > threshold).astype(np.int32)
    if rng.random() < 0.6:  # islands of a third level, or of the ribbon's, inside
        islands = (smooth_noise(rng, rng.uniform(18, 50)) > rng.uniform(0.7, 1.4)) & (depth > 2 * width)
        index[islands] = rng.choice([0, 2])
    grey = np.array(pick_levels(rng, background, 3, gap * 0.75), np.float32)
    value = grey[index]
    softness = rng.uniform(0.5, 2.5)  # levels blend into each other, but not into the background
    weight = cv2.GaussianBlur(outline.astype(np.float32), (0, 0), softness) + 1e-3
    value = cv2.GaussianBlur(value * outline, (0, 0), softness) / weight
    parts = [outline & (index == level) for level in range(3)]
    return outline, value + texture(rng, bank) * rng.uniform(0, 0.08) * gap, parts


def simple(rng, sources, centre, radius, background, gap):
    """Object of one grey level (garment, polygon, blob, ring, stripes or maze), perhaps with an inner object as a part."""
    kind = rng.choice(6, p=[0.34, 0.14, 0.16, 0.12, 0.12, 0.12])
    level, inner_level = pick_levels(rng, background, 2, gap)
    shading, parts = 0.0, []
    if kind == 0:
        mask, own = garment(rng, sources["garments"], centre, radius)
        shading = (own - own[mask].mean()) * gap * rng.uniform(0, 0.8) if mask.any() else 0.0
    elif kind == 1:
        mask = polygon(rng, centre, radius)
    else:
        mask = blob(rng, centre, radius)
        depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
        if kind == 3:
            mask &= depth < max(7.0, radius * rng.uniform(0.2, 0.5))
        elif kind == 4:
            mask &= stripes(rng, rng.uniform(9, 26))
        elif kind == 5:
            mask &= band_noise(rng, rng.uniform(7, 18)) > rng.uniform(-0.7, 0.2)
    value = np.full((SIZE, SIZE), level, np.float32) + shading
    value += texture(rng, sources["textures"]) * gap * rng.uniform(0, 0.22)
    if kind in (1, 2) and rng.random() < 0.3:  # nested: the inner shape has a box of its own
        inner = blob(rng, centre + rng.uniform(-0.2, 0.2, 2) * radius, radius * rng.uniform(0.3, 0.5)) & mask
        value = np.where(inner, inner_level, value)
        parts = [inner, mask & ~inner]
    return mask, value, parts


def free_centre(rng, placed, radius, valid):
    """A centre that keeps the object apart from those `placed` (its outline may still touch theirs), or None."""
    room = np.array([valid[1], valid[0]]) / 2
    for _ in range(20):
        centre = room + rng.uniform(-1, 1, 2) * np.maximum(room - radius * 0.9, 4)
        if all(np.hypot(*(centre - other)) >= 0.9 * (radius + reach) for other, reach in placed):
            return centre
    return None


def make_scene(rng, sources, difficulty):
    """Returns (picture uint8 [S,S], [(kind, mask bool [S,S])], valid (height, width)); outside `valid` there is padding."""
    valid = [SIZE, SIZE]
    if rng.random() < 0.35:  # not square: the processor pads right or below
        valid[rng.integers(2)] = int(rng.integers(180, SIZE))
    gap = 110 - 60 * difficulty * rng.random()
    background = rng.uniform(0, 12) if rng.random() < 0.35 else rng.uniform(0, 255)
    picture = np.full((SIZE, SIZE), background, np.float32)
    if rng.random() < 0.25 + 0.5 * difficulty:
        picture += texture(rng, sources["textures"]) * gap * rng.uniform(0.02, 0.06 + 0.2 * difficulty)
    count = 1 if rng.random() < 0.45 else 1 + int(rng.integers(0, 1 + round(2 * difficulty)))
    targets, placed = [], []
    for _ in range(count):
        radius = rng.uniform(60, 115) if count == 1 else rng.uniform(28, 72)
        centre = free_centre(rng, placed, radius, valid)
        if centre is None:
            continue
        placed.append((centre, radius))
        if radius > 40 and rng.random() < (0.55 if count == 1 else 0.3):
            mask, value, parts = folded(rng, centre, radius, background, gap, sources["textures"])
        else:
            mask, value, parts = simple(rng, sources, centre, radius, background, gap)
        edge = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), rng.uniform(0.5, 1.2))
        picture = picture * (1 - edge) + value * edge
        targets = [(kind, old & ~mask, area) for kind, old, area in targets]
        targets.append((WHOLE if parts else OBJECT, mask, mask.sum()))
        targets += [(PART, part, part.sum()) for part in parts]
    if rng.random() < 0.6:
        picture *= 1 + smooth_noise(rng, 160) * rng.uniform(0, 0.06)
    picture += rng.standard_normal((SIZE, SIZE)).astype(np.float32) * rng.uniform(0, 2 + 9 * difficulty)
    inside = np.zeros((SIZE, SIZE), bool)
    inside[: valid[0], : valid[1]] = True
    # A target must be big enough to be seen on the low-resolution mask and still be most of what it was.
    kept = [(kind, mask & inside) for kind, mask, area in targets if (mask & inside).sum() >= max(250, 0.6 * area)]
    return np.clip(picture, 0, 255).astype(np.uint8), kept, valid


def pack_scene(rng, scene):
    """Fixed-size record for training, or None: low-resolution soft masks [T,L,L], boxes [T,4], points [T,8,2], kinds [T]."""
    picture, targets, valid = scene
    if not any(kind != PART for kind, _ in targets):
        return None
    order = sorted(range(len(targets)), key=lambda i: (targets[i][0] == PART, rng.random()))
    keep = [i for i in order if targets[i][0] != PART][:3]
    keep += [i for i in order if targets[i][0] == PART][: TARGETS - len(keep)]
    masks, boxes = np.zeros((TARGETS, LOW, LOW), np.uint8), np.zeros((TARGETS, 4), np.float32)
    points, kinds = np.zeros((TARGETS, POINTS, 2), np.float32), np.full(TARGETS, -1, np.int8)
    for slot, i in enumerate(keep):
        kind, mask = targets[i]
        byte = mask.astype(np.uint8)
        masks[slot] = cv2.resize(byte * 255, (LOW, LOW), interpolation=cv2.INTER_AREA)
        boxes[slot] = tight_box(mask)
        depth = cv2.distanceTransform(byte, cv2.DIST_L2, 3)
        deep = np.flatnonzero(depth >= min(4.0, 0.6 * depth.max()))  # a user clicks inside, not on the rim
        chosen = deep[rng.integers(len(deep), size=POINTS)]
        points[slot] = np.stack([chosen % SIZE, chosen // SIZE], 1)
        kinds[slot] = kind
    return picture, masks, boxes, points, kinds, np.array(valid, np.int16)


def tight_box(mask):
    """x1, y1, x2, y2 of a boolean mask, the last pixel included."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1], rows[-1]], np.float32)


def jitter_box(rng, box, valid):
    """Moves each side outwards by up to 20 pixels, less for small objects, clipped to the picture."""
    width, height = box[2] - box[0], box[3] - box[1]
    reach = np.minimum(20.0, 2 + 0.1 * np.array([width, height, width, height]))
    moved = box + rng.uniform(0, 1, 4) * reach * np.array([-1, -1, 1, 1])
    limit = np.array([valid[1], valid[0], valid[1], valid[0]])
    return np.clip(moved, 0, limit).astype(np.float32)
