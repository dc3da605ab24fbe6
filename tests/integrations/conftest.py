from tests.planning.conftest import hub, paths

__all__ = ["hub", "paths"]
