"""How large the worker cuts its work: one list, read by the worker that keeps to it and by the planner that reckons with it."""

from __future__ import annotations

CPU_TOKENS = 2048
"""Tokens that a CPU works on at a time, if no single record is longer: more is no faster there, and takes more memory."""
GPU_TOKENS = 65_536
"""Tokens of a micro-batch on a GPU at most, where the setting leaves the size open."""
GPU_SHARE = 0.85
"""Of the GPU memory that is ours or free that a micro-batch is sized for; the allocator wants the rest."""
CHUNK_LOGITS = 32 * 1024**2
"""Logits in memory at a time (fp32: 128 MiB, and as much again for the softmax)."""
DENSE_SHARE = 0.4
"""On a CPU, 4-bit layers are unpacked once if they then take at most this share of the memory that is free."""
