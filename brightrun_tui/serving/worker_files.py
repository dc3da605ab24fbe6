"""Files that the gate's process and the worker share, relative to the endpoint's directory."""

SOCKET = "engine.sock"
REPORT = "worker.json"
