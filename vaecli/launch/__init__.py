"""Many runs behind one Executor: which there should be, which are missing, and training those side by side."""
