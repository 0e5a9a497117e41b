"""The model, its data, and one epoch: a perceptron on points of two classes, in float64."""

import numpy as np

FEATURES, HIDDEN = 6, 5


def load_model():
    """Not in the order of the names: an ArrayRecord keeps the order of its keys."""
    numbers = np.random.default_rng(7)
    return {
        "out.weight": numbers.standard_normal((1, HIDDEN)),
        "hidden.weight": numbers.standard_normal((HIDDEN, FEATURES)) * 0.5,
        "hidden.bias": np.zeros(HIDDEN),
        "out.bias": np.zeros(1),
    }


def load_data(partition_id, num_partitions):
    """The points of one partition, as examples to train and to evaluate. Partitions have different sizes."""
    numbers = np.random.default_rng(100 * num_partitions + partition_id)
    count = 40 + 20 * partition_id
    points = numbers.standard_normal((count, FEATURES)) + 0.3 * partition_id
    labels = (points[:, 0] * points[:, 1] + points[:, 2] > 0.2).astype(np.float64)
    held_out = count // 4
    return (points[held_out:], labels[held_out:]), (points[:held_out], labels[:held_out])


def predict(model, points):
    hidden = np.tanh(points @ model["hidden.weight"].T + model["hidden.bias"])
    return hidden, 1 / (1 + np.exp(-(hidden @ model["out.weight"].T + model["out.bias"])[:, 0]))


def train_epoch(model, velocity, data, lr, momentum):
    points, labels = data
    hidden, chance = predict(model, points)
    error = (chance - labels)[:, None] / len(labels)
    inner = (error @ model["out.weight"]) * (1 - hidden**2)
    gradients = {
        "out.weight": error.T @ hidden,
        "hidden.weight": inner.T @ points,
        "hidden.bias": inner.sum(0),
        "out.bias": error.sum(0),
    }
    for name, gradient in gradients.items():
        velocity[name] = momentum * velocity[name] + gradient
        model[name] = model[name] - lr * velocity[name]
    return loss_of(chance, labels)


def loss_of(chance, labels):
    safe = np.clip(chance, 1e-12, 1 - 1e-12)
    return float(-np.mean(labels * np.log(safe) + (1 - labels) * np.log(1 - safe)))
