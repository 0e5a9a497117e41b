"""A Flower app in the style of its quickstarts: numpy, named arrays, momentum in context.state, a mod."""
