"""Content negotiation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.contract.errors import RequestError
from tabular.serving.answers.accept import choose as choose_among
from tabular.serving.answers.types import ANSWER_TYPES


def choose(accept: str | None, default: str) -> str:
    return choose_among(accept, default, ANSWER_TYPES)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "text/csv"),
        ("", "text/csv"),
        ("*/*", "text/csv"),
        ("text/csv", "text/csv"),
        ("application/json", "application/json"),
        ("Application/JSON", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("text/html, application/json", "application/json"),
        ("application/json;q=0.1, text/csv", "text/csv"),
        ("text/*", "text/csv"),
        ("application/json, */*;q=0.1", "application/json"),
        ("image/png, */*", "text/csv"),
        ("application/jsonlines", "application/jsonlines"),
        ("application/x-npy", "application/x-npy"),
        ("application/x-recordio-protobuf", "application/x-recordio-protobuf"),
        ("application/*", "application/json"),
        ("*", "text/csv"),
        ("text/csv;q=0, */*", "application/json"),
        ("*/*, text/csv;q=0, application/json;q=0", "application/jsonlines"),
        ("text/*;q=0.3, application/*;q=0.2", "text/csv"),
        ("application/jsonlines, application/json", "application/jsonlines"),
        ("text/html, image/gif, *; q=.2, */*; q=.2", "text/csv"),
        ("application/json;verbose=true;q=0.9, text/csv;q=0.8", "application/json"),
        ("application/json;q=very, text/csv;q=0.1", "text/csv"),
        ("application/json , ,", "application/json"),
    ],
)
def test_content_type_is_chosen(accept: str | None, chosen: str) -> None:
    assert choose(accept, "text/csv") == chosen


@pytest.mark.parametrize("accept", [None, "", "*/*", "text/csv;q=0.5, application/json;q=0.5"])
def test_default_is_chosen_among_equal_qualities(accept: str | None) -> None:
    assert choose(accept, "application/json") == "application/json"


@pytest.mark.parametrize("accept", ["image/png", "text/html", "nonsense", "application/jsonl"])
def test_other_type_is_refused_with_awss_words(accept: str) -> None:
    with pytest.raises(RequestError, match=f"^Accept type {accept} is not supported. Please use"):
        choose(accept, "text/csv")


def test_refusal_has_status_406() -> None:
    with pytest.raises(RequestError) as caught:
        choose("image/png", "text/csv")
    assert caught.value.status == 406


@pytest.mark.parametrize(
    "accept", ["text/csv;q=0", "*/*;q=0", "text/csv;q=2", "text/csv;q=nan", "text/csv;q=", ",", "/"]
)
def test_header_that_accepts_nothing_is_refused(accept: str) -> None:
    with pytest.raises(RequestError, match=r"^Accept type") as caught:
        choose(accept, "text/csv")
    assert caught.value.status == 406


PIECES = [
    *ANSWER_TYPES,
    "text/*",
    "*/*",
    "*",
    ";",
    ",",
    "q=",
    "0",
    "1",
    ".5",
    '"',
    "=",
    " ",
    "/",
    "Q",
]
headers = st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join))


@given(headers, st.sampled_from([*ANSWER_TYPES]))
def test_any_header_gives_an_offered_type_or_406(accept: str, default: str) -> None:
    status = None
    chosen = None
    try:
        chosen = choose(accept, default)
    except RequestError as error:
        status = error.status
    assert chosen in ANSWER_TYPES or status == 406
