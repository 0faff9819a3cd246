"""The training loop, its optimisers, and its state."""
