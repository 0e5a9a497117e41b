"""A Flower app in the style of its quickstarts: PyTorch, a convolutional network with batch normalisation, float32."""
