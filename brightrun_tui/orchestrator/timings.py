"""How often the engine looks, and how long it waits. All in seconds."""

from __future__ import annotations

import tomllib

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.paths import Paths


class EngineTimings(BaseModel):
    """Set in ``config.toml`` under ``[engine]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    poll_seconds: float = Field(0.3, gt=0, description="Between two looks at a worker on this machine.")
    request_seconds: float = Field(0.2, gt=0, description="Between two looks for requests.")
    beat_seconds: float = Field(5.0, gt=0, description="Between two signs of life.")
    idle_seconds: float = Field(60.0, ge=0, description="Without work for so long, the engine ends.")
    endpoint_ready_seconds: float = Field(240.0, gt=0, description="An endpoint that does not answer by then has failed.")
    endpoint_poll_seconds: float = Field(3.0, gt=0, description="Between two looks at an endpoint that serves.")
    stop_seconds: float = Field(15.0, gt=0, description="Between asking a process to end and killing it.")


def load_timings(paths: Paths) -> EngineTimings:
    """From ``config.toml``; what is not there keeps its default.

    Raises:
        UsageError: the file does not parse, or a value does not fit.
    """
    try:
        document = tomllib.loads(paths.config_file.read_text("utf-8"))
        return EngineTimings.model_validate(document.get("engine", {}))
    except FileNotFoundError:
        return EngineTimings()
    except (tomllib.TOMLDecodeError, ValidationError, UnicodeDecodeError) as error:
        raise UsageError(f"the configuration cannot be used ({str(error).splitlines()[0]})", where=str(paths.config_file),
                         fix="correct it or move it away", kind="bad_config") from None
