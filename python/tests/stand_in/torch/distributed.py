"""In place of torch.distributed: rank 0 says what the other ranks would get, and there are none."""


def broadcast_object_list(values, src=0):
    pass
