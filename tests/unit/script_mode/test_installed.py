"""What a script's requirements ask for, against what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tabular.contract.errors import UserError
from tabular.script_mode.installed import install, missing


def test_packages_that_are_not_there_are_listed(tmp_path: Path) -> None:
    lines = (
        "# ours\n\nnumpy>=2\nnumpy<2  # old\nno-such-thing; python_version < '3'\nno-such-thing\n"
    )
    (tmp_path / "requirements.txt").write_text(lines + "-r others.txt\n")
    assert missing(tmp_path) == ["numpy<2  # old", "no-such-thing"]


def test_no_requirements_ask_for_nothing(tmp_path: Path) -> None:
    assert missing(tmp_path) == []
    environ: dict[str, str] = {}
    install(tmp_path, environ)
    assert environ == {}


def test_wheels_that_lack_a_package_are_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("no-such-thing-of-ours==1\n")
    (tmp_path / "wheels").mkdir()
    with pytest.raises(UserError, match="no-such-thing-of-ours==1"):
        install(tmp_path, {})


def test_requirements_that_are_no_text_or_name_an_unknown_marker_are_left_to_pip(
    tmp_path: Path,
) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"\xff\xfe\nnumpy; extra == 'x'\nnumpy\n")
    assert missing(tmp_path) == []
