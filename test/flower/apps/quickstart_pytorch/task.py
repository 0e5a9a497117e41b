"""The network, its data (pictures of bars, made from a seed), and the loops of training and test."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.fc1 = nn.Linear(6 * 5 * 5, 16)
        self.fc2 = nn.Linear(16, 2)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.norm(self.conv(x))), 2)
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


def make_net():
    torch.manual_seed(11)
    return Net()


def load_data(partition_id, num_partitions):
    generator = torch.Generator().manual_seed(partition_id)
    count = 64 + 32 * partition_id
    labels = torch.randint(0, 2, (count,), generator=generator)
    images = torch.randn((count, 1, 12, 12), generator=generator) * 0.7
    for image, label in zip(images, labels):
        place = int(torch.randint(2, 10, (1,), generator=generator))
        image[0][(place, slice(None)) if label else (slice(None), place)] += 1.5
    held_out = count // 4
    return (images[held_out:], labels[held_out:]), (images[:held_out], labels[:held_out])


def train(net, data, epochs, lr, seed):
    images, labels = data
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
    generator = torch.Generator().manual_seed(seed)
    net.train()
    total = 0.0
    for _ in range(epochs):
        for batch in torch.randperm(len(labels), generator=generator).split(16):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
    return total / (epochs * len(labels))


def test(net, data):
    images, labels = data
    net.eval()
    with torch.no_grad():
        outputs = net(images)
    loss = nn.functional.cross_entropy(outputs, labels).item()
    return loss, (outputs.argmax(1) == labels).float().mean().item()
