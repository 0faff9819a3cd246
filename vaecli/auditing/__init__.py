"""Gradient estimators measured against the exact gradient, on one frozen checkpoint or on a toy loss."""
