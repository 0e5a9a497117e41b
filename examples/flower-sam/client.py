"""The SAMClient that fine-tunes Segment Anything with Flower, PyTorch and Hugging Face transformers. Nothing here is FedSAM's.

The usual recipe: folders of images and masks, a box around each mask as the prompt, Dice and cross entropy, the mask decoder
alone trains. It runs under Flower as it is and, through fedsam_client, under FedSAM (job.yaml).
"""

from pathlib import Path

import flwr as fl
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from transformers import SamModel, SamProcessor

CHECKPOINT = Path(__file__).parent.parent / "models" / "sam-tiny-scenes"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def bounding_box(mask, perturbation):
    """The box around the mask, each side moved outwards by up to `perturbation` pixels."""
    ys, xs = np.where(mask > 0)
    height, width = mask.shape
    moved = np.random.randint(0, perturbation, 4) if perturbation > 0 else np.zeros(4, int)
    return [
        float(max(0, xs.min() - moved[0])),
        float(max(0, ys.min() - moved[1])),
        float(min(width, xs.max() + moved[2])),
        float(min(height, ys.max() + moved[3])),
    ]


class SAMDataset(Dataset):
    def __init__(self, dataset_root, image_subfolder, annotation_subfolder, processor, perturbation):
        self.images = sorted((Path(dataset_root) / image_subfolder).iterdir())
        self.masks = sorted((Path(dataset_root) / annotation_subfolder).iterdir())
        self.processor = processor
        self.perturbation = perturbation

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = Image.open(self.images[index]).convert("RGB")
        mask = (np.array(Image.open(self.masks[index])) > 0).astype(np.uint8)
        box = bounding_box(mask, self.perturbation)
        inputs = self.processor(image, input_boxes=[[box]], segmentation_maps=Image.fromarray(mask), return_tensors="pt")
        return {
            "pixel_values": inputs["pixel_values"][0],
            "input_boxes": inputs["input_boxes"][0],
            "ground_truth_mask": torch.as_tensor(inputs["labels"][0]),
        }


def dice_ce_loss(logits, truth):
    """monai.losses.DiceCELoss(sigmoid=True, squared_pred=True, reduction="mean"), written out. [B, 1, H, W]"""
    probabilities = torch.sigmoid(logits)
    axes = (2, 3)
    overlap = (probabilities * truth).sum(axes)
    dice = 1 - (2 * overlap + 1e-5) / ((probabilities**2).sum(axes) + (truth**2).sum(axes) + 1e-5)
    return dice.mean() + torch.nn.functional.binary_cross_entropy_with_logits(logits, truth)


class SAMClient(fl.client.NumPyClient):
    def __init__(
        self,
        dataset_root,
        image_subfolder,
        annotation_subfolder,
        batch_size,
        num_epochs,
        learning_rate=1e-5,
        box_perturbation=20,
        shuffle=True,
    ):
        self.model = SamModel.from_pretrained(CHECKPOINT).to(DEVICE)
        for name, parameter in self.model.named_parameters():
            if name.startswith(("vision_encoder", "prompt_encoder")):
                parameter.requires_grad_(False)
        processor = SamProcessor.from_pretrained(CHECKPOINT)
        dataset = SAMDataset(dataset_root, image_subfolder, annotation_subfolder, processor, box_perturbation)
        self.loader = DataLoader(dataset, batch_size=batch_size, shuffle=shuffle)
        self.num_epochs = num_epochs
        self.learning_rate = learning_rate

    def get_parameters(self, config):
        return [value.cpu().numpy() for value in self.model.state_dict().values()]

    def set_parameters(self, parameters):
        names = self.model.state_dict().keys()
        state = {name: torch.as_tensor(value) for name, value in zip(names, parameters)}
        self.model.load_state_dict(state, strict=True)

    def fit(self, parameters, config):
        self.set_parameters(parameters)
        optimizer = torch.optim.Adam(self.model.mask_decoder.parameters(), lr=self.learning_rate, weight_decay=0)
        self.model.train()
        for epoch in range(self.num_epochs):
            losses = []
            for batch in self.loader:
                outputs = self.model(
                    pixel_values=batch["pixel_values"].to(DEVICE),
                    input_boxes=batch["input_boxes"].to(DEVICE),
                    multimask_output=False,
                )
                truth = batch["ground_truth_mask"].float().unsqueeze(1).to(DEVICE)
                loss = dice_ce_loss(outputs.pred_masks.squeeze(1), truth)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            print(f"epoch {epoch + 1}: mean loss {np.mean(losses):.4f}")
        return self.get_parameters(config), len(self.loader.dataset), {"train_loss": float(np.mean(losses))}
