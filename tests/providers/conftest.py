from tests.clouds.fixtures import on_runpod, on_vast, rig, server

__all__ = ["on_runpod", "on_vast", "rig", "server"]
