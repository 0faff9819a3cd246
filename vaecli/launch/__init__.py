"""Many runs behind one Executor: which are requested, which are missing, and training those side by side."""
