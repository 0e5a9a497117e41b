"""A Flower app in the style of its quickstarts: scikit-learn, arrays as a list."""
