"""A Flower client in numpy alone: a tanh network with one hidden layer learns digits of 14 x 14 pixels by plain SGD.

Nothing here is FedSAM's. The same file runs under Flower (under_flower.py) and, through fedsam_client, under FedSAM (job.yaml).
"""

from pathlib import Path

import numpy as np

try:
    from flwr.client import NumPyClient
except ImportError:  # no Flower here: the class is what counts
    NumPyClient = object


class DigitsClient(NumPyClient):
    def __init__(self, dataset_root, batch_size=20, num_epochs=2, learning_rate=0.2):
        self.x = np.load(Path(dataset_root) / "images.npy").reshape(-1, 196) / 255.0
        self.y = np.load(Path(dataset_root) / "labels.npy")
        self.batch_size = batch_size
        self.num_epochs = num_epochs
        self.learning_rate = learning_rate
        initial = np.load(Path(__file__).parent / "initial.npz")
        self.parameters = [initial[name] for name in ("w1", "b1", "w2", "b2")]

    def get_parameters(self, config):
        return self.parameters

    def set_parameters(self, parameters):
        self.parameters = parameters

    def fit(self, parameters, config):
        self.set_parameters(parameters)
        for epoch in range(self.num_epochs):
            for begin in range(0, len(self.y), self.batch_size):
                batch = slice(begin, begin + self.batch_size)
                for values, gradient in zip(self.parameters, self.gradients(self.x[batch], self.y[batch])):
                    values -= self.learning_rate * gradient
        loss, accuracy = self.measure()
        print(f"round {config['server_round']}: train loss {loss:.4f}")
        return self.get_parameters(config), len(self.y), {"train_loss": loss, "train_accuracy": accuracy}

    def evaluate(self, parameters, config):
        self.set_parameters(parameters)
        loss, accuracy = self.measure()
        return loss, len(self.y), {"accuracy": accuracy}

    def forward(self, x):
        w1, b1, w2, b2 = self.parameters
        hidden = np.tanh(x @ w1 + b1)
        logits = hidden @ w2 + b2
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        return hidden, exponents / exponents.sum(axis=1, keepdims=True)

    def gradients(self, x, y):
        """Of the mean cross entropy of a batch."""
        hidden, error = self.forward(x)
        error[np.arange(len(y)), y] -= 1
        error /= len(y)
        back = (error @ self.parameters[2].T) * (1 - hidden**2)
        return x.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0)

    def measure(self):
        _, probabilities = self.forward(self.x)
        loss = -np.log(probabilities[np.arange(len(self.y)), self.y]).mean()
        return float(loss), float((probabilities.argmax(axis=1) == self.y).mean())
