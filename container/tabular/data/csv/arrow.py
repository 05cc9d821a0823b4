"""Call pyarrow's reader of CSV for blocks of a training file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tabular.data.blocks import Block
from tabular.data.pyarrow_without_pandas import hide_pandas
from tabular.data.spelling import FEW_MISSING, number_of

if TYPE_CHECKING:
    import pyarrow

# Larger than any block, so that pyarrow parses a block in one piece.
PIECE_BYTES = 1 << 30


def text_columns(
    block: Block, delimiter: str, columns: int, candidates: Sequence[int], missing: Sequence[str]
) -> dict[int, list[str]]:
    """Return the texts of the candidates that have a cell which is not a number, by place.

    Returns all candidates, without texts, when the block can't be parsed; ``Parser.read`` then
    raises the error.
    """
    import pyarrow

    numbers = options_of(
        delimiter, columns, dict.fromkeys(candidates, pyarrow.float64()), FEW_MISSING
    )
    try:
        parsed(block, numbers)
        return {}
    except pyarrow.ArrowInvalid:
        options = options_of(delimiter, columns, dict.fromkeys(candidates, text_type()), missing)
    try:
        table = parsed(block, options)
    except pyarrow.ArrowInvalid:
        return {place: [] for place in candidates}
    found = {place: _not_numbers(table[place].dictionary) for place in candidates}
    return {place: texts for place, texts in found.items() if texts}


def _not_numbers(values: pyarrow.Array) -> list[str]:
    import pyarrow

    try:
        values.cast(pyarrow.float32())
    except pyarrow.ArrowInvalid:  # also raised for a number with blanks around it
        return [text for text in values.to_pylist() if number_of(text) is None]
    return []


def options_of(
    delimiter: str, columns: int, types: dict[int, Any], missing: Sequence[str]
) -> dict[str, Any]:
    """Return the options of ``parsed``.

    Parameters
    ----------
    columns : int
        The number of columns in the file.
    types : dict of int to pyarrow.DataType
        The columns to read, by their positions in the file.
    missing : sequence of str
        The texts that mean a missing value.
    """
    import pyarrow.csv

    return {
        "read_options": pyarrow.csv.ReadOptions(
            column_names=[str(place) for place in range(columns)],
            use_threads=False,
            block_size=PIECE_BYTES,
        ),
        "parse_options": pyarrow.csv.ParseOptions(delimiter=delimiter),
        "convert_options": pyarrow.csv.ConvertOptions(
            include_columns=[str(place) for place in types],
            column_types={str(place): kind for place, kind in types.items()},
            null_values=list(missing),
            strings_can_be_null=True,
        ),
    }


def text_type() -> Any:
    """Return the type of columns of text: a dictionary, so that a long text is held once."""
    import pyarrow

    return pyarrow.dictionary(pyarrow.int32(), pyarrow.string())


def parsed(block: Block, options: dict[str, Any]) -> dict[int, pyarrow.Array]:
    """Return the columns of a block, by their positions in the file; raise pyarrow's errors."""
    import pyarrow
    import pyarrow.csv

    hide_pandas()

    table = pyarrow.csv.read_csv(pyarrow.BufferReader(block.content), **options)
    pieces = table.to_batches()
    if len(pieces) > 1:
        pieces = table.combine_chunks().to_batches()
    return dict(zip(map(int, table.column_names), pieces[0].columns, strict=True))
