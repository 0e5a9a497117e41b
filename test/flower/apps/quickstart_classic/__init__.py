"""A Flower app in the style of its older guides: a NumPyClient, client_fn and server_fn."""
