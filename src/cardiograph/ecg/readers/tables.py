"""Readers of tables with a column for each lead: CSV and Parquet."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiograph.ecg.ecg import MAX_SAMPLES, Ecg
from cardiograph.ecg.readers.columns import from_columns, is_lead
from cardiograph.ecg.readers.source import MAX_TEXT_BYTES, EcgSource

_NUMBER = re.compile(r"\s*[-+]?(\d+[.,]?\d*|[.,]\d+)(e[-+]?\d+)?\s*|\s*nan\s*|\s*", re.IGNORECASE)


def read_csv(source: EcgSource) -> Ecg:
    """Read a table of text in UTF-8 with commas, semicolons or tabs; empty cells are not recorded samples.

    With semicolons or tabs, a comma is the decimal mark. Without a header the channels must be named by the options.
    """
    content = source.content.removeprefix(b"\xef\xbb\xbf")
    if len(content) > MAX_TEXT_BYTES or content.count(b"\n") > MAX_SAMPLES + 1:
        source.refuse(
            "too_large", f"tables of text are read up to {MAX_TEXT_BYTES // 2**20} MiB", "store it as Parquet"
        )
    try:
        first = content[:65536].split(b"\n", 1)[0].decode("utf-8").strip("\r")
    except UnicodeDecodeError:
        source.refuse("damaged", "it is not text in UTF-8", "save the table as UTF-8")
    delimiter = max(("\t", ";", ","), key=first.count)
    cells = [cell.strip().strip('"') for cell in first.split(delimiter)]
    names = None if all(map(_NUMBER.fullmatch, cells)) else cells
    source.check_size(len(cells), max(content.count(b"\n"), 1))
    columns = source.lead_names(names, len(cells))
    table = _numbers(source, columns, _parse(source, content, delimiter, skip=names is not None))
    return from_columns(source, columns, table, file_format="csv")


def _parse(source: EcgSource, content: bytes, delimiter: str, *, skip: bool) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return the table below the header."""
    import pyarrow as pa
    from pyarrow import csv

    comma = delimiter != "," and b"," in content.split(b"\n", 2)[-1]
    try:
        return csv.read_csv(
            io.BytesIO(content),
            read_options=csv.ReadOptions(skip_rows=int(skip), autogenerate_column_names=True, use_threads=False),
            parse_options=csv.ParseOptions(delimiter=delimiter),
            convert_options=csv.ConvertOptions(
                null_values=["", "nan", "NaN", "NA"], decimal_point="," if comma else ".", strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid as error:
        source.refuse("damaged", f"it is not a table ({str(error)[:120]})", "give every row the same number of cells")


def _numbers(source: EcgSource, names: Sequence[str], table: Any) -> NDArray[np.float64]:  # noqa: ANN401
    """Return [columns, rows]; a column of text that is not a lead is NaN, and is left out with a note."""
    import pyarrow as pa

    rows = []
    if len(table.columns) != len(names):
        source.refuse("damaged", f"its rows have {len(table.columns)} cells, its header {len(names)}", "correct it")
    for name, column in zip(names, table.columns, strict=True):
        kind = column.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
            if is_lead(name):
                source.refuse("not_numeric", f"column {name} holds text or dates ({kind})", "leave such cells empty")
            rows.append(np.full(len(column), np.nan))
            continue
        # by way of buffers: to_numpy() and fill_null() import pandas, which the service must not load
        numbers = column.cast(pa.float64()).combine_chunks()
        values = np.frombuffer(numbers.buffers()[1], np.float64, len(numbers), 8 * numbers.offset)
        missing = np.from_dlpack(column.is_null().cast(pa.uint8()).combine_chunks())
        rows.append(np.where(missing, np.nan, values))
    return np.array(rows, dtype=np.float64)


def read_parquet(source: EcgSource) -> Ecg:
    """Read a Parquet file with a column for each lead."""
    import pyarrow.parquet as pq

    with source.reading("pyarrow"):
        file = pq.ParquetFile(io.BytesIO(source.content))
        source.check_size(file.metadata.num_columns, file.metadata.num_rows)
        size = sum(file.metadata.row_group(index).total_byte_size for index in range(file.metadata.num_row_groups))
        if size > 8 * 2**26:
            source.refuse("too_large", f"it unpacks to {size:,} bytes", "cut the part that matters out of it")
        table = file.read(use_threads=False)
        names, rows = table.column_names, _numbers(source, table.column_names, table)
    return from_columns(source, source.lead_names(names, len(names)), rows, file_format="parquet")
