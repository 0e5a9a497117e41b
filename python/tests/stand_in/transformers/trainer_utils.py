"""In place of transformers.trainer_utils."""

SEEDS = []


def set_seed(seed):
    SEEDS.append(seed)
