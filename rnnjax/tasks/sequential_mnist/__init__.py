"""Sequential MNIST: a handwritten digit, read pixel by pixel, row by row, in; which digit it is, out."""
