"""What people see while something runs, and how they stop it; the commands and the public functions share it."""
