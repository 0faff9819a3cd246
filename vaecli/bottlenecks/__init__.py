"""Bottlenecks: Gaussian, categorical, vector-quantised; two calls each (bottleneck.py)."""
