"""What `scripts/bench/gpu.py` runs, a process for each part."""
