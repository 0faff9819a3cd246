"""An audit of gradient estimators: its table and its figures."""
