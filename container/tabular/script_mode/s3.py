"""Download one object from S3."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from tabular.contract.errors import UserError
from tabular.contract.script import region_of

# With these limits a download without a network fails within a minute.
CONFIG = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard"})
# Endpoints that are not AWS's own do not resolve bucket names as host names.
BY_PATH = CONFIG.merge(Config(s3={"addressing_style": "path"}))
ISOLATED = (
    "With network isolation code comes through a channel named 'code' (the SDK's "
    "enable_network_isolation=True does that)"
)
CHUNK_BYTES = 1 << 20


def download(uri: str, folder: Path, environ: Mapping[str, str]) -> Path:
    """Download ``s3://bucket/key`` into a folder. The file's name is the last part of the key.

    Parameters
    ----------
    environ : Mapping[str, str]
        The region, and an S3 endpoint other than AWS's own.

    Raises
    ------
    UserError
        The object does not exist or may not be read, or S3 can't be reached.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    file = folder / Path(key or "?").name
    if not key or key.endswith("/"):
        raise UserError(f"{uri} names no file; expected s3://bucket/path/sourcedir.tar.gz")
    endpoint = environ.get("S3_ENDPOINT_URL") or environ.get("AWS_ENDPOINT_URL_S3") or None
    try:
        client = boto3.Session().client(
            "s3",
            region_name=region_of(environ),
            endpoint_url=endpoint,
            config=BY_PATH if endpoint else CONFIG,
        )
        # Not download_file: its threads would keep running.
        body = client.get_object(Bucket=bucket, Key=key)["Body"]
        with file.open("wb") as opened:
            for chunk in body.iter_chunks(CHUNK_BYTES):
                opened.write(chunk)
    except ClientError as error:
        raise UserError(f"{uri} can't be fetched: {_cause(error)}") from error
    except NoCredentialsError as error:
        raise UserError(
            f"{uri} can't be fetched: the container has no AWS credentials. {ISOLATED}"
        ) from error
    except (BotoCoreError, ValueError) as error:  # ValueError: the endpoint is not a URL
        raise UserError(f"{uri} can't be fetched: {error}. {ISOLATED}") from error
    return file


def _cause(error: ClientError) -> str:
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code in ("NoSuchKey", "NoSuchBucket", "404"):
        return f"it does not exist ({code})"
    if code in ("AccessDenied", "403", "AllAccessDisabled"):
        return f"access denied ({code}); the job's role needs s3:GetObject for it"
    return str(error)
