"""Every defect of JSON raises the same error, with a message of one line."""

from __future__ import annotations

import pytest

from tabular.contract.strict_json import StrictJSONError, parse_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        (b'\xef\xbb\xbf{"a": "\xc3\xa9"}', {"a": "é"}),
        (r'"\ud83d\ude00"', "\N{GRINNING FACE}"),
        ("1e400", float("inf")),
        ("-12", -12),
    ],
)
def test_json_is_read(text: str | bytes, value: object) -> None:
    assert parse_json(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1"),
        ("{'a': 1}", "line 1, column 2"),
        (b"\xff", "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        ("[" * 100_000, "nested too deep"),
        ('{"a":' * 100_000, "nested too deep"),
        ("9" * 5000, "a number has too many digits"),
        ("[-" + "9" * 5000 + "]", "a number has too many digits"),
        ("NaN", "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ('{"a": {"b": 1, "b": 1}}', "the key 'b' comes twice"),
        (r'{"a": "\ud800"}', "half of a surrogate pair"),
        (r'{"\udfff": 1}', "half of a surrogate pair"),
    ],
)
def test_anything_else_is_an_error_of_one_line(text: str | bytes, message: str) -> None:
    with pytest.raises(StrictJSONError, match=message) as caught:
        parse_json(text)
    assert "\n" not in str(caught.value)
