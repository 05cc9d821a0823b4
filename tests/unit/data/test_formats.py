from __future__ import annotations

import pytest

from tabular.contract.errors import UserError
from tabular.data.formats import BY_CONTENT_TYPE, FORMATS, format_of


@pytest.mark.parametrize(
    "content_type",
    [
        "text/csv",
        "csv",
        "TEXT/CSV",
        "text/csv; charset=utf-8",
        "text/csv;label_size=1",
        "text/csv; label_size=1; charset=utf-8",
        " text/csv ",
    ],
)
def test_spelling_of_csv_is_known(content_type: str) -> None:
    assert format_of(content_type).name == "csv"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "", ";", "text/csv2"])
def test_other_type_is_refused_in_the_words_of_aws(content_type: str) -> None:
    with pytest.raises(UserError, match=f"^{content_type} is not an accepted ContentType: "):
        format_of(content_type)


@pytest.mark.parametrize("size", ["0", "2", "x", ""])
def test_other_label_size_is_refused_in_the_words_of_aws(size: str) -> None:
    with pytest.raises(UserError, match="Optional parameter label_size must be equal to 1"):
        format_of(f"text/csv;label_size={size}")


def test_no_content_type_belongs_to_two_formats() -> None:
    assert len(BY_CONTENT_TYPE) == sum(len(row.content_types) for row in FORMATS)
