"""Estimators on toys: their table and their figure."""
