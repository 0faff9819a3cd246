"""What is measured: distortions, rate, code use, and the references they are held against."""
