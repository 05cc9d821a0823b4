from __future__ import annotations

from pathlib import Path

import pytest

from tabular.commands.origin import warn_of_unknown_build

WARNING = "this image was not built by container/build.sh"


def test_image_of_build_sh_is_not_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build = tmp_path / "build.json"
    build.write_text('{"built_by": "container/build.sh"}')
    warn_of_unknown_build(build)
    assert caplog.text == ""


@pytest.mark.parametrize("text", ['{"built_by": "unknown"}', "{}", "[]", "", "{"])
def test_any_other_image_is_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    build = tmp_path / "build.json"
    build.write_text(text)
    warn_of_unknown_build(build)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith(WARNING)


def test_outside_an_image_nothing_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_unknown_build(tmp_path / "absent.json")
    assert caplog.text == ""
