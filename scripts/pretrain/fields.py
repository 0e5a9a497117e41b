# Drawing primitives of the scene generator: smooth random fields, outlines and textures, all from numpy and OpenCV.
# Every function takes its random generator as an argument and returns plain arrays of SIZE x SIZE; nothing here knows
# what a scene is.
import gzip
import os

import cv2
import numpy as np

SIZE = 256
cv2.setNumThreads(1)
GRID_Y, GRID_X = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)


def smooth_noise(rng, scale):
    """Standardised random field whose features are about `scale` pixels wide."""
    cells = max(3, int(np.ceil(SIZE / scale)) + 3)
    field = cv2.resize(rng.standard_normal((cells, cells)).astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    return (field - field.mean()) / (field.std() + 1e-6)


def band_noise(rng, scale):
    """Difference of two smoothings of white noise: its zero set is a maze with walls about `scale` pixels wide."""
    cells = max(8, int(SIZE / scale * 1.6))
    white = rng.standard_normal((cells, cells)).astype(np.float32)
    band = cv2.GaussianBlur(white, (0, 0), 1.0) - cv2.GaussianBlur(white, (0, 0), 2.2)
    field = cv2.resize(band, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    return field / (field.std() + 1e-6)


def blob(rng, centre, radius):
    """Closed smooth outline around `centre`: a circle with a random aspect, angle and a few radial harmonics."""
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    radial = np.ones_like(angle)
    for harmonic in range(2, 7):
        radial += rng.normal(0, 0.13 / (harmonic - 1)) * np.cos(harmonic * angle + rng.uniform(0, 2 * np.pi))
    aspect, turn = rng.uniform(0.65, 1.0), rng.uniform(0, np.pi)
    x, y = radial * np.cos(angle), radial * np.sin(angle) * aspect
    points = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], 1) * radius + centre
    return fill(points)


def fill(points):
    """Boolean mask of a polygon given as [N, 2] of x, y."""
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(canvas, [np.round(points).astype(np.int32)], 1)
    return canvas.astype(bool)


def polygon(rng, centre, radius):
    """Star or convex-ish polygon of 3 to 9 corners, or a rotated rectangle."""
    if rng.random() < 0.4:
        w, h = radius * rng.uniform(0.45, 1, 2)
        return fill(cv2.boxPoints(((float(centre[0]), float(centre[1])), (2 * w, 2 * h), rng.uniform(0, 90))))
    corners = rng.integers(3, 10)
    angle = np.sort(rng.uniform(0, 2 * np.pi / corners * 0.6, corners) + np.arange(corners) * 2 * np.pi / corners)
    reach = radius * rng.uniform(0.5, 1.0, corners)
    return fill(np.stack([np.cos(angle) * reach, np.sin(angle) * reach], 1) + centre)


def garment(rng, pictures, centre, radius):
    """A Fashion-MNIST silhouette (pixel > 0), turned and scaled; returns its mask and its own shading in 0..1."""
    picture = pictures[rng.integers(len(pictures))].astype(np.float32)
    turn = np.float32(rng.uniform(-0.4, 0.4) if rng.random() < 0.6 else rng.uniform(0, 2 * np.pi))
    scale = radius / 14.0
    c, s = np.cos(turn) * scale, np.sin(turn) * scale
    matrix = np.float32([[c, -s, centre[0] - 13.5 * (c - s)], [s, c, centre[1] - 13.5 * (s + c)]])
    place = lambda source: cv2.warpAffine(source, matrix, (SIZE, SIZE), flags=cv2.INTER_CUBIC)
    return place((picture > 0).astype(np.float32)) > 0.5, np.clip(place(picture / 255.0), 0, 1)


def stripes(rng, width):
    """Boolean parallel or wavy stripes of about `width` pixels."""
    turn = rng.uniform(0, np.pi)
    phase = (GRID_X * np.cos(turn) + GRID_Y * np.sin(turn)) / width * np.pi + smooth_noise(rng, 60) * rng.uniform(0, 2)
    return np.sin(phase) > rng.uniform(-0.4, 0.4)


def texture_bank():
    """Grey textures that scikit-image ships under CC0, as float32 512 x 512 in 0..255."""
    from skimage import data

    bank = []
    for name in ("brick", "grass", "gravel", "cell", "retina", "microaneurysms"):
        picture = getattr(data, name)()
        grey = picture if picture.ndim == 2 else picture[..., :3].mean(2)
        bank.append(cv2.resize(grey.astype(np.float32), (512, 512), interpolation=cv2.INTER_AREA))
    return bank


def texture(rng, bank):
    """Standardised SIZE x SIZE crop of a texture, or procedural noise of one or two scales."""
    if bank and rng.random() < 0.4:
        source = bank[rng.integers(len(bank))]
        y, x = rng.integers(0, 512 - SIZE, 2)
        crop = np.rot90(source[y : y + SIZE, x : x + SIZE], rng.integers(4))
        return (crop - crop.mean()) / (crop.std() + 4.0)
    coarse = smooth_noise(rng, rng.uniform(4, 80))
    return coarse if rng.random() < 0.5 else 0.7 * coarse + 0.7 * smooth_noise(rng, rng.uniform(2, 12))


def garments(folder, split):
    """Fashion-MNIST pictures [N, 28, 28] uint8 of `split` (`train` or `t10k`) from its gzipped IDX files."""
    with gzip.open(os.path.join(folder, f"{split}-images-idx3-ubyte.gz")) as file:
        return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
