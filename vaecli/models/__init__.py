"""Networks, likelihoods, and the autoencoder that puts them around a bottleneck."""
