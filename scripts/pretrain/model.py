# The small SAM of the example: its configuration, an initialisation that learns fast from scratch, and atomic saving in
# Hugging Face layout. Nothing here trains.
import math
import os
import shutil

import torch
from torch import nn
from transformers import SamConfig, SamImageProcessor, SamModel

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def build():
    """SamModel with image 256, patch 16, a 64 x 64 mask, windowed layers (16 does not divide by 7) and two global ones."""
    config = SamConfig(
        vision_config=dict(
            hidden_size=96, num_hidden_layers=5, num_attention_heads=4, mlp_ratio=4.0, mlp_dim=384, image_size=256,
            patch_size=16, window_size=7, global_attn_indexes=[2, 4], output_channels=64, num_pos_feats=32, scale=1.0,
        ),
        prompt_encoder_config=dict(
            hidden_size=64, image_size=256, patch_size=16, image_embedding_size=16, mask_input_channels=16,
        ),
        mask_decoder_config=dict(
            hidden_size=64, mlp_dim=256, num_hidden_layers=2, num_attention_heads=4, attention_downsample_rate=2,
            num_multimask_outputs=3, iou_head_depth=3, iou_head_hidden_dim=64,
        ),
    )
    model = SamModel(config)
    initialise(model)
    return model


@torch.no_grad()
def initialise(model):
    """Fan-in scaled weights: the library's 0.02 suits widths of 768, not 64, where signals would vanish."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="linear")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.5)
    vision = model.vision_encoder
    # A patch starts as its lowest cosine frequencies of grey, so detail is there before attention has learned anything.
    kernel = vision.patch_embed.projection.weight
    kernel.copy_(cosine_patches(kernel.shape[0], kernel.shape[-1]) / 3.0)
    vision.pos_embed.copy_(sine_grid(vision.pos_embed.shape[1], vision.pos_embed.shape[-1]) * 0.5)
    # Frequencies of about one turn over the picture: a corner moved by some pixels changes its code a little.
    frequencies = torch.randn_like(model.shared_image_embedding.positional_embedding)
    model.shared_image_embedding.positional_embedding.copy_(frequencies)
    model.prompt_encoder.shared_embedding.positional_embedding = model.shared_image_embedding.positional_embedding
    model.shared_image_embedding.positional_embedding.requires_grad_(False)


def cosine_patches(count, side):
    """`count` two-dimensional DCT basis functions, lowest frequencies first, as kernels [count, 3, side, side]."""
    order = sorted(((u, v) for u in range(side) for v in range(side)), key=lambda uv: (uv[0] ** 2 + uv[1] ** 2, uv))
    t = (torch.arange(side) + 0.5) * math.pi / side
    waves = [torch.outer(torch.cos(u * t), torch.cos(v * t)) for u, v in order[:count]]
    kernels = torch.stack([wave / wave.norm() for wave in waves])
    return kernels[:, None].expand(-1, 3, -1, -1) * (2.0 / side) * 4


def sine_grid(grid, width):
    """Sine and cosine position code [1, grid, grid, width]: half of the channels for the row, half for the column."""
    rates = 0.5 * 2.0 ** (torch.arange(width // 4) * (4.0 / (width // 4)))
    phase = torch.arange(grid)[:, None] / grid * rates * math.pi
    code = torch.cat([phase.sin(), phase.cos()], 1)
    rows = code[:, None].expand(grid, grid, width // 2)
    return torch.cat([rows, rows.transpose(0, 1)], 2)[None]


def normalise(pictures):
    """uint8 grey [B, S, S] to what SamImageProcessor gives a model: float [B, 3, S, S], standardised per channel."""
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    return (pictures[:, None].float() / 255.0 - mean) / std


def save(model, folder):
    """Writes config, processor and weights beside `folder`'s content and renames file by file, so readers see whole files."""
    staging = f"{folder}.partial"
    shutil.rmtree(staging, ignore_errors=True)
    model.save_pretrained(staging)
    SamImageProcessor(
        size={"longest_edge": 256}, pad_size={"height": 256, "width": 256}, mask_size={"longest_edge": 64},
        mask_pad_size={"height": 64, "width": 64}, image_mean=list(MEAN), image_std=list(STD),
    ).save_pretrained(staging)
    os.makedirs(folder, exist_ok=True)
    os.chmod(os.path.join(staging, "model.safetensors"), 0o644)  # the library writes it for its owner alone
    for name in os.listdir(staging):
        os.replace(os.path.join(staging, name), os.path.join(folder, name))
    os.rmdir(staging)
