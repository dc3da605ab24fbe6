"""A machine with GPUs that are not there: NVIDIA's management library, stood in for by a real shared library."""
