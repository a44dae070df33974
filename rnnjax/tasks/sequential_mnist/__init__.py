"""Sequential MNIST: the pixels of a handwritten digit in, one a step; which digit it is, out."""

LOADED_BY = {"sequential_mnist": "classifier"}
