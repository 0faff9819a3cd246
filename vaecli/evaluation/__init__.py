"""Measurements: distortions, rate, code use, and the references to compare with."""
