"""Gradient estimators for a categorical latent: one file each, one interface (estimator.py)."""
