"""Figures and references, drawn and read from run folders alone."""
