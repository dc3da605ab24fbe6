"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from brightrun_tui.datasets.flaws import PARQUET_BOMB
from brightrun_tui.datasets.source import (
    LEAST_SUSPECT,
    MAX_RECORD_BYTES,
    MOST_TIMES,
    Literal,
    SourceFile,
    SourceRow,
    readable,
    too_long,
)
from brightrun_tui.datasets.tables import refuse_twice
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError

_BATCH = 256
"""Rows that are read at once."""


def read_parquet(file: SourceFile) -> Iterator[SourceRow]:
    """Yield a dict of column name to value for every row, numbered from 1; columns of raw bytes are not read.

    Numbers keep the digits of their own precision, and objects the fields that have a value: one row's are every row's.

    Raises:
        DatasetError: pyarrow is not installed, the file is damaged or a bomb, or all its columns are raw bytes.
    """
    try:
        import pyarrow
    except ImportError:
        raise DatasetError(
            "reading Parquet needs the package pyarrow",
            where=str(file.path),
            kind=ErrorKind.DATASET_NEEDS_PYARROW,
            fix="install it with: pip install 'brightrun[parquet]'; or save the data as JSONL",
        ) from None
    number = 0
    try:
        with readable(file.path), _parquet(file) as table:
            file.position.total = table.metadata.num_rows
            kinds = {field.name: field.type for field in table.schema_arrow}  # which is made anew each time
            columns = [field.name for field in table.schema_arrow if not _is_bytes(field.type)]
            if not columns:
                raise DatasetError(
                    "the columns hold raw bytes, not text",
                    where=str(file.path),
                    fix="write them as strings (Spark: CAST(… AS STRING))",
                    kind=ErrorKind.DATASET_COLUMNS,
                )
            refuse_twice(columns, str(file.path))
            floats = [name for name in columns if pyarrow.types.is_floating(kinds[name])]
            for batch in _batches(file, table, columns):
                written = {name: batch.column(name).cast(pyarrow.string()).to_pylist() for name in floats}
                for place, value in enumerate(batch.to_pylist(maps_as_pydicts="lossy")):
                    number += 1
                    file.position.done = number
                    value |= {name: _number(texts[place]) for name, texts in written.items()}
                    yield SourceRow(
                        number, {name: _without_nulls(part) for name, part in value.items()}, f"row {number}"
                    )
    except (pyarrow.ArrowException, UnicodeDecodeError, OverflowError) as error:  # OverflowError: dates no calendar has
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DatasetError(
            f"the Parquet file is damaged or cut off ({reason})",
            where=str(file.path),
            fix="copy or export it again",
            kind=ErrorKind.DATASET_BROKEN_PARQUET,
        ) from None


def _parquet(file: SourceFile) -> Any:
    """Return the file, open, with texts left in their dictionaries: one that is kept once may stand in every row."""
    from pyarrow.parquet import ParquetFile

    with ParquetFile(file.data) as table:
        leaves = [table.schema.column(number) for number in range(len(table.schema))]
    return ParquetFile(
        file.data, read_dictionary=[leaf.path for leaf in leaves if leaf.logical_type.type in ("STRING", "JSON")]
    )


def _batches(file: SourceFile, table: Any, columns: list[str]) -> Iterator[Any]:
    """Yield rows in batches that take no more than `MAX_RECORD_BYTES` once they are taken out of their dictionaries.

    Raises:
        DatasetError: one row takes more, or all of them far more than the file.
    """
    most = max(LEAST_SUSPECT, MOST_TIMES * file.size)
    groups = [table.metadata.row_group(number) for number in range(table.metadata.num_row_groups)]
    if sum(group.column(number).num_values for group in groups for number in range(group.num_columns)) > most:
        raise PARQUET_BOMB.at(str(file.path))
    row = said = 0
    for batch in table.iter_batches(batch_size=_BATCH, columns=columns):
        said += (size := sum(map(_size, batch.columns)))
        if said > most:
            raise PARQUET_BOMB.at(str(file.path))
        step = batch.num_rows if size <= MAX_RECORD_BYTES else 1
        for start in range(0, batch.num_rows, max(1, step)):
            part = batch.slice(start, step)
            row += part.num_rows
            if step == 1 and sum(map(_size, part.columns)) > MAX_RECORD_BYTES:
                raise too_long(f"{file.path}, row {row}", "record")
            yield part


def _size(values: Any) -> int:
    """Return bytes of the texts of an Arrow array, and one for every value at every depth."""
    import pyarrow.compute as compute
    import pyarrow.types as types

    kind, size = values.type, len(values)
    if types.is_dictionary(kind) and _is_text(kind.value_type):
        lengths = compute.binary_length(values.dictionary)
        return size + (compute.sum(compute.take(lengths, values.indices)).as_py() or 0)
    if _is_text(kind) or _is_bytes(kind):
        return size + (compute.sum(compute.binary_length(values)).as_py() or 0)
    if types.is_struct(kind):
        return size + sum(map(_size, values.flatten()))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return size + _size(values.flatten())
    if types.is_map(kind):
        start, end = values.offsets[0].as_py(), values.offsets[-1].as_py()
        return size + sum(_size(part.slice(start, end - start)) for part in (values.keys, values.items))
    return size


def _is_text(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_string(kind) or types.is_large_string(kind))


def _number(text: str | None) -> Literal | None:
    """Return a number as it is written with the digits that its precision gives; 12.0 is 12, which a column with gaps makes
    of it.
    """
    return None if text is None or text == "nan" else Literal(text.removesuffix(".0"))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(part) for name, part in value.items() if part is not None}
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


def _is_bytes(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))
