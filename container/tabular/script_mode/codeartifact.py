"""Use a repository of AWS CodeArtifact as pip's package index."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tabular.contract.errors import UserError

ARN = re.compile(
    r"arn:[^:]+:codeartifact:(?P<region>[^:]+):(?P<owner>\d+):"
    r"repository/(?P<domain>[^/]+)/(?P<repository>[^/]+)"
)
CONFIG = Config(connect_timeout=10, read_timeout=30, retries={"mode": "standard"})


def index_url(arn: str) -> str:
    """Return the index URL of a repository. Never print this URL: it contains a token.

    Parameters
    ----------
    arn : str
        The value of ``CA_REPOSITORY_ARN``:
        ``arn:aws:codeartifact:<region>:<account>:repository/<domain>/<repository>``.

    Raises
    ------
    UserError
        The ARN is not valid, or CodeArtifact refuses or can't be reached.
    """
    found = ARN.fullmatch(arn)
    if found is None:
        raise UserError(
            f"CA_REPOSITORY_ARN is {arn!r}, expected arn:aws:codeartifact:<region>:<account>:"
            "repository/<domain>/<repository>"
        )
    domain = {"domain": found["domain"], "domainOwner": found["owner"]}
    try:
        client: Any = boto3.Session().client(
            "codeartifact", region_name=found["region"], config=CONFIG
        )
        token = client.get_authorization_token(**domain)["authorizationToken"]
        address = client.get_repository_endpoint(
            **domain, repository=found["repository"], format="pypi"
        )["repositoryEndpoint"]
    except (BotoCoreError, ClientError) as error:
        raise UserError(f"the CodeArtifact repository {arn} can't be used: {error}") from error
    parts = urlsplit(address)
    return f"{parts.scheme}://aws:{token}@{parts.netloc}{parts.path.rstrip('/')}/simple/"
