"""TensorFlow as this program uses it: the process, random numbers, layers, compiled programs, optimisers."""
