"""Documents of the domain as rows keep them: checked on the way out, and whenever they are changed.

A row that cannot be read is one row: whoever reads many leaves it out or shows it as damaged, and goes on with the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DamagedRecordError

DAMAGED = "its record is damaged"

M = TypeVar("M", bound=BaseModel)


def read(model: type[M], document: Any) -> M | None:
    """Return the document of one row; None when it is damaged."""
    try:
        return model.model_validate_json(document)
    except ValidationError:
        return None


def damaged(what: str, *, where: str, fix: str) -> DamagedRecordError:
    """Return the error for one row that was asked for and cannot be read."""
    return DamagedRecordError(f"the record of {what} is damaged", where=where, fix=fix, kind=ErrorKind.DAMAGED_RECORD)


def changed(document: M, changes: Mapping[str, Any]) -> M:
    """Return a document with other values in some fields, each of them checked; nothing is converted.

    Raises:
        TypeError: there is no such field.
        ValidationError: a value does not fit its field.
    """
    model = type(document)
    if unknown := sorted(changes.keys() - model.model_fields.keys()):
        raise TypeError(f"{model.__name__} has no field {', '.join(unknown)}")
    return model.model_validate({**dict(document), **changes}, strict=True)


def number(stored: Any) -> float:
    """Return what a column of numbers holds; 0 if it is not a number."""
    return float(stored) if isinstance(stored, (int, float)) else 0.0
