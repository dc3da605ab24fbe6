"""Files that the gate's process and the worker share, relative to the endpoint's directory."""

SOCKET = "engine.sock"
REPORT = "worker.json"
NOTE = "engine_note"
"""While the model is loaded what is being done, then why it is not a faster engine, in one sentence; empty where there is nothing
to say."""
REPORT_LIMIT = 64 << 10
"""Bytes of either that are read from a worker elsewhere."""
