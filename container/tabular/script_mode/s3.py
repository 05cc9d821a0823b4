"""Fetch one object from S3, with reasons that name the cure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from tabular.contract.errors import UserError
from tabular.contract.script import region_of

# A dead network is told within a minute; a slow one is given time.
CONFIG = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard"})
# Names of buckets are no hosts where the endpoint is not AWS's own.
BY_PATH = CONFIG.merge(Config(s3={"addressing_style": "path"}))
ISOLATED = (
    "With network isolation code comes through a channel named 'code' (the SDK's "
    "enable_network_isolation=True does that)"
)
CHUNK_BYTES = 1 << 20


def download(uri: str, folder: Path, environ: Mapping[str, str]) -> Path:
    """Fetch ``s3://bucket/key`` into a folder, under the key's last part.

    Raises
    ------
    UserError
        It does not exist, may not be read, or S3 can't be reached.
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
        # Not download_file, which leaves threads behind.
        body = client.get_object(Bucket=bucket, Key=key)["Body"]
        with file.open("wb") as opened:
            for chunk in body.iter_chunks(CHUNK_BYTES):
                opened.write(chunk)
    except ClientError as error:
        raise UserError(f"{uri} can't be fetched: {_answer(error)}") from error
    except NoCredentialsError as error:
        raise UserError(
            f"{uri} can't be fetched: the container has no AWS credentials. {ISOLATED}"
        ) from error
    except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no address
        raise UserError(f"{uri} can't be fetched: {error}. {ISOLATED}") from error
    return file


def _answer(error: ClientError) -> str:
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code in ("NoSuchKey", "NoSuchBucket", "404"):
        return f"it does not exist ({code})"
    if code in ("AccessDenied", "403", "AllAccessDisabled"):
        return f"access denied ({code}); the job's role needs s3:GetObject for it"
    return str(error)
