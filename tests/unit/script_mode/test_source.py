"""Sources of code: real archives, and S3 from moto's server."""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import lzma
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tabular.contract.errors import UserError
from tabular.script_mode.source import fetch, prepare

NO_ENVIRON: dict[str, str] = {}


def archive(path: Path, *members: tarfile.TarInfo, **files: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as opened:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("_dot_", "."))
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content.encode()))
        for member in members:
            opened.addfile(member)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def code(tmp_path: Path) -> Path:
    return tmp_path / "code"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def environ(s3: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return {"S3_ENDPOINT_URL": s3, "AWS_REGION": "eu-west-1"}


def test_archive_is_unpacked(tmp_path: Path, code: Path) -> None:
    fetch(str(archive(tmp_path / "sourcedir.tar.gz", train_dot_py="x")), code, NO_ENVIRON)
    assert (code / "train.py").read_text() == "x"


def test_folder_is_copied(tmp_path: Path, code: Path) -> None:
    (tmp_path / "src" / "sub").mkdir(parents=True)
    (tmp_path / "src" / "sub" / "train.py").touch()
    fetch(f"file://{tmp_path / 'src'}", code, NO_ENVIRON)
    assert (code / "sub" / "train.py").is_file()


def test_single_file_is_copied(tmp_path: Path, code: Path) -> None:
    (tmp_path / "train.py").write_text("x")
    fetch(str(tmp_path / "train.py"), code, NO_ENVIRON)
    assert names(code) == ["train.py"]


def test_archive_comes_from_s3(
    tmp_path: Path, code: Path, environ: dict[str, str], s3: str
) -> None:
    client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1")
    client.create_bucket(Bucket="bucket")
    body = archive(tmp_path / "a.tar.gz", train_dot_py="x").read_bytes()
    client.put_object(Bucket="bucket", Key="job/source/sourcedir.tar.gz", Body=body)
    fetch("s3://bucket/job/source/sourcedir.tar.gz", code, environ)
    assert names(code) == ["train.py"]


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("s3://nosuch/x.tar.gz", r"does not exist \(NoSuchBucket\)"),
        ("s3://nosuch", "names no file; expected s3://bucket/path"),
        ("s3://nosuch/folder/", "names no file; expected s3://bucket/path"),
    ],
)
def test_missing_object_is_reported(
    code: Path, environ: dict[str, str], uri: str, reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        fetch(uri, code, environ)


def test_missing_key_is_reported(code: Path, environ: dict[str, str], s3: str) -> None:
    boto3.client("s3", endpoint_url=s3, region_name="us-east-1").create_bucket(Bucket="keyless")
    with pytest.raises(UserError, match=r"s3://keyless/x\.tar\.gz .* does not exist \(NoSuchKey\)"):
        fetch("s3://keyless/x.tar.gz", code, environ)


def test_denied_object_is_reported_with_the_permission(
    code: Path, environ: dict[str, str], s3: str
) -> None:
    import urllib3

    client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1")
    client.create_bucket(Bucket="denied")
    # From now on moto checks credentials, and it does not know ours.
    urllib3.request("POST", f"{s3}/moto-api/reset-auth", body=b"0")
    try:
        with pytest.raises(UserError, match=r"s3://denied/x\.tar\.gz can't be fetched"):
            fetch("s3://denied/x.tar.gz", code, environ)
    finally:
        urllib3.request("POST", f"{s3}/moto-api/reset-auth", body=b"inf")


def test_missing_credentials_are_reported_with_the_channel(
    tmp_path: Path, code: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"no AWS credentials.*channel named 'code'"):
        fetch("s3://b/x.tar.gz", code, environ)


def test_s3_that_cannot_be_reached_is_reported(code: Path, environ: dict[str, str]) -> None:
    with pytest.raises(UserError, match="can't be fetched: Could not connect"):
        fetch("s3://b/x.tar.gz", code, {**environ, "S3_ENDPOINT_URL": "http://127.0.0.1:9"})


@pytest.mark.parametrize(
    "hostile",
    [
        member("/etc/evil"),
        member("../evil"),
        member("a/../../evil"),
        member("dev", tarfile.CHRTYPE),
        member("pipe", tarfile.FIFOTYPE),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("link", tarfile.SYMTYPE, "../../outside"),
        member("hard", tarfile.LNKTYPE, "../outside"),
    ],
    ids=lambda info: f"{info.name} {info.linkname}",
)
def test_member_outside_is_refused_by_name(
    tmp_path: Path, code: Path, hostile: tarfile.TarInfo
) -> None:
    path = archive(tmp_path / "a.tar.gz", hostile)
    with pytest.raises(UserError, match=f"member '{hostile.name}' is refused"):
        fetch(str(path), code, NO_ENVIRON)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00rubbish", None])
def test_broken_archive_is_refused(tmp_path: Path, code: Path, content: bytes | None) -> None:
    path = tmp_path / "sourcedir.tar.gz"
    if content is None:  # cut in the middle
        content = archive(path, train_dot_py="".join(map(str, range(9999)))).read_bytes()[:-3000]
    path.write_bytes(content)
    with pytest.raises(UserError, match="is not a complete tar archive"):
        fetch(str(path), code, NO_ENVIRON)


def test_missing_source_is_reported(code: Path) -> None:
    with pytest.raises(UserError, match="/nosuch does not exist in the container"):
        fetch("/nosuch", code, NO_ENVIRON)


def test_code_that_is_there_stays(tmp_path: Path, code: Path) -> None:
    code.mkdir()
    (code / "own.py").touch()
    path = archive(tmp_path / "a.tar.gz", train_dot_py="")
    prepare(str(path), code, None, NO_ENVIRON)
    assert names(code) == ["own.py"]


def test_channel_is_copied(tmp_path: Path, code: Path) -> None:
    (tmp_path / "channel").mkdir()
    (tmp_path / "channel" / "train.py").touch()
    prepare("", code, tmp_path / "channel", NO_ENVIRON)
    assert names(code) == ["train.py"]


def test_archive_in_the_channel_is_unpacked(tmp_path: Path, code: Path) -> None:
    archive(tmp_path / "channel" / "sourcedir.tar.gz", train_dot_py="")
    prepare("", code, tmp_path / "channel", NO_ENVIRON)
    assert names(code) == ["train.py"]


def test_source_goes_before_the_channel(tmp_path: Path, code: Path) -> None:
    archive(tmp_path / "channel" / "sourcedir.tar.gz", other_dot_py="")
    path = archive(tmp_path / "a.tar.gz", train_dot_py="")
    prepare(str(path), code, tmp_path / "channel", NO_ENVIRON)
    assert names(code) == ["train.py"]


def test_missing_code_is_reported(code: Path) -> None:
    with pytest.raises(UserError, match=r"names a program but no code: .* Give source_dir"):
        prepare("", code, None, NO_ENVIRON)


def tar_of(files: int = 2, size: int = 700) -> bytes:
    """An archive as Python writes it: members, two blocks of zeros, padding to a full record."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as opened:
        for number in range(files):
            info = tarfile.TarInfo(f"module{number}.py")
            info.size = size
            opened.addfile(info, io.BytesIO(b"#" * size))
    return written.getvalue()


# A header and two blocks of content.
MEMBER_BYTES = 512 + 1024


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_archive_that_is_cut_at_the_end_of_a_member_is_refused(
    tmp_path: Path, code: Path, compress: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "sourcedir.tar").write_bytes(compress(tar_of()[:MEMBER_BYTES]))
    with pytest.raises(UserError, match=r"sourcedir\.tar is cut off: .* files may be missing"):
        fetch(str(tmp_path / "sourcedir.tar"), code, NO_ENVIRON)
    assert names(code) == []


@pytest.mark.parametrize("left", [512, 1024, 10_240])
def test_archive_with_one_block_of_zeros_or_more_is_whole(
    tmp_path: Path, code: Path, left: int
) -> None:
    whole = tar_of()[: 2 * MEMBER_BYTES] + bytes(left)
    (tmp_path / "sourcedir.tar.gz").write_bytes(gzip.compress(whole))
    fetch(str(tmp_path / "sourcedir.tar.gz"), code, NO_ENVIRON)
    assert names(code) == ["module0.py", "module1.py"]


@pytest.mark.parametrize("arguments", [["-czf"], ["--format=ustar", "-b1", "-czf"], ["-cf"]])
def test_archives_of_tar_are_whole(tmp_path: Path, code: Path, arguments: list[str]) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("x")
    packed = str(tmp_path / "packed")
    subprocess.run(["tar", *arguments, packed, "-C", str(tmp_path / "src"), "."], check=True)
    fetch(packed, code, NO_ENVIRON)
    assert names(code) == ["train.py"]


def test_archive_is_cut_off_anywhere_and_always_refused(tmp_path: Path) -> None:
    whole = gzip.compress(tar_of())
    for length in range(1, len(whole)):
        path = tmp_path / "sourcedir.tar.gz"
        path.write_bytes(whole[:length])
        with pytest.raises(UserError):
            fetch(str(path), tmp_path / "code", NO_ENVIRON)
        assert names(tmp_path / "code") == []


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(tar_of()) + b"garbage",
        gzip.compress(tar_of()) + gzip.compress(tar_of()),
        gzip.compress(tar_of() + b"garbage"),
        gzip.compress(tar_of())[:-8] + bytes(8),  # another checksum
    ],
)
def test_archive_with_more_behind_its_end_or_another_checksum_is_refused(
    tmp_path: Path, code: Path, content: bytes
) -> None:
    (tmp_path / "sourcedir.tar.gz").write_bytes(content)
    with pytest.raises(UserError, match=r"goes on after|not a complete tar archive"):
        fetch(str(tmp_path / "sourcedir.tar.gz"), code, NO_ENVIRON)
    assert names(code) == []


def test_archive_that_would_fill_the_disk_is_refused_before_anything_is_written(
    tmp_path: Path, code: Path
) -> None:
    sparse = tarfile.TarInfo("zeros")
    sparse.size = 1 << 50
    header = sparse.tobuf()
    (tmp_path / "sourcedir.tar.gz").write_bytes(gzip.compress(tar_of(1)[:MEMBER_BYTES] + header))
    with pytest.raises(UserError, match=r"unpacks to more than \d+ MiB, and the disk has \d+ MiB"):
        fetch(str(tmp_path / "sourcedir.tar.gz"), code, NO_ENVIRON)
    assert names(code) == []


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("https://bucket.s3.amazonaws.com/sourcedir.tar.gz?X-Amz-Signature=1f", "expected s3://"),
        ("git+https://github.com/org/repo", "expected s3://"),
        ("/opt/ml/co\0de", "without a null byte"),
        ("/dev/null", "neither a file nor a folder"),
        ("/" + "x" * 5000, "File name too long"),
    ],
)
def test_source_of_another_kind_is_refused(code: Path, uri: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        fetch(uri, code, NO_ENVIRON)


def test_zip_archive_is_refused(tmp_path: Path, code: Path) -> None:
    with zipfile.ZipFile(tmp_path / "source.zip", "w") as opened:
        opened.writestr("train.py", "x")
    with pytest.raises(UserError, match=r"is a zip archive; make it with: tar -czf"):
        fetch(str(tmp_path / "source.zip"), code, NO_ENVIRON)


def test_hidden_files_are_no_code(tmp_path: Path, code: Path) -> None:
    code.mkdir()
    (code / "._train.py").write_bytes(b"\0\5\26\7")
    (code / ".DS_Store").touch()
    prepare(str(archive(tmp_path / "source.tar.gz", train_dot_py="1")), code, None, NO_ENVIRON)
    assert (code / "train.py").read_text() == "1"
