"""Fuzzes a multi-model endpoint: loads, unloads, descriptions, pages and invocations at random.

    docker run -d --name fuzzed -p 127.0.0.1:8080:8080 -v MODELS:/opt/ml/models:ro \\
        -e SAGEMAKER_MULTI_MODEL=true IMAGE serve
    python tests/fuzz/multi_model.py --container fuzzed --runs 20000 [--url URL] [--seed N]
        [--seconds N] [--corpus DIR]

``MODELS`` holds ``m0/model``, which takes rows of four values. What is looked for: a status that
is no answer to a mistake of the client, an error that is not Multi Model Server's JSON, a model
that was loaded and can't be described, invoked and unloaded by its name, models that are left at
the end, and what ``server.py`` looks for at the end. The status is 1 if there is one.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import sys
import time
from collections import Counter
from typing import NamedTuple
from urllib.parse import quote

from options import Corpus, add_options
from server import Server
from server import add_options as add_server_options

URL = "/opt/ml/models/m0/model"
ROW = b"0.1,0.2,0.3,0.4"
ALLOWED = {200, 204, 400, 404, 405, 406, 409, 413, 414, 415}
SLOW_SECONDS = 5.0
# The share of the runs in which the allocators grow to their size.
WARM_UP = 0.5
NAMES = ("m", "n", "a b", "é", "%2F", "..m", "x" * 1024, "%" * 1024)
LETTERS = "ab%/\\.:;?#&=+ \"'\x00\n\x85\u00a0\u200b\u2028\ud800é\U0001f600"
NESTED = b"[" * 5000
VALUES = (b"null", b"0", b"-1", b"9" * 5000, b"1e999", b"NaN", b"true", b"[]", b"{}", NESTED)
TOKENS = (b'"', b"{", b"}", b"[", b",", b":", b"\\", b"\\ud800", b"\xff", b"\xef\xbb\xbf", b"\0")
NUMBERS = ("0", "1", "2", "-1", "", "x", "1" * 5000, "\u0663", "\u00b2", "1.0", "+1", "1_0", "%00")


class Request(NamedTuple):
    """A request."""

    method: str
    path: str
    body: str  # latin-1

    def saved(self) -> bytes:
        """Return the request as bytes, for a corpus."""
        return json.dumps(self._asdict()).encode()


class Client:
    """A persistent connection, and the results of its requests."""

    def __init__(self, server: Server, corpus: Corpus) -> None:
        self._server, self._corpus = server, corpus
        self._connection = server.connect()
        self.statuses: Counter[int] = Counter()
        self.faults: list[str] = []
        self.worst = 0.0

    def ask(self, request: Request) -> int:
        """Send one request, and check the rules that hold for every answer."""
        begun = time.monotonic()
        try:
            headers = {"Content-Type": "text/csv"}
            body = request.body.encode("latin-1")
            self._connection.request(request.method, request.path, body, headers)
            response = self._connection.getresponse()
            status, answer = response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self._fault(f"{type(error).__name__} {error}", request)
            self._connection.close()
            return 0
        spent = time.monotonic() - begun
        self.worst = max(self.worst, spent)
        self.statuses[status] += 1
        shown = (request.method, status, re.sub(rb"[^A-Za-z]+", b" ", answer)[:60])
        self._corpus.saw(shown, request.saved())
        broken = status == 500 and b"can't be loaded: no model" in answer
        if not (status in ALLOWED or broken) or spent > SLOW_SECONDS:
            self._fault(f"{status} {answer[:300]!r} in {spent:.1f} s", request)
        # Status 414 is gunicorn's own, a page.
        if status >= 400 and status != 414 and json.loads(answer)["code"] != status:
            self._fault(f"{answer[:300]!r}", request)
        return status

    def _fault(self, what: str, request: Request) -> None:
        self.faults.append(f"{what} after {request!r:.1000}")

    def require(self, method: str, path: str, body: str = "") -> None:
        """Send a request that must be answered with 200."""
        request = Request(method, path, body)
        status = self.ask(request)
        if status != 200:
            self._fault(f"{status}, expected 200", request)


def main() -> int:
    """Send all requests, and print the faults."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_server_options(parser)
    add_options(parser, runs=20_000)
    given = parser.parse_args()
    server, corpus = Server(given.url, given.container), Corpus(given.corpus, "multi_model")
    client, source = Client(server, corpus), random.Random(given.seed)
    kept = [Request(**json.loads(data)) for data in corpus.kept()]
    for request in kept:
        client.ask(request)
    begun, weighed, number = time.monotonic(), False, 0
    for number in range(given.runs):
        part = max((time.monotonic() - begun) / given.seconds, number / given.runs)
        if part > 1:
            break
        if part > WARM_UP and not weighed:
            _unload_all(client, server)
            server.weigh(sum(client.statuses.values()))
            weighed = True
        _step(client, source)
    _unload_all(client, server)
    faults = client.faults + server.faults()
    print(
        f"multi-model: {number + 1} steps, {time.monotonic() - begun:.0f} s, statuses "
        f"{dict(sorted(client.statuses.items()))}, worst {client.worst * 1e3:.0f} ms, {len(kept)} "
        f"of the corpus, {len(faults)} faults"
    )
    for fault in faults[:20]:
        print(f"  {fault}")
    return bool(faults)


def _step(client: Client, source: random.Random) -> None:
    name = _name(source)
    path = f"/models/{quote(name, safe='', errors='replace')}"
    kind = source.choices(("load", "raw load", "path", "page", "invoke"), (4, 4, 2, 1, 2))[0]
    if kind == "load":
        wanted = json.dumps({"model_name": name, "url": URL})
        if client.ask(Request("POST", "/models", wanted)) == 200:
            client.require("GET", path)
            client.require("POST", f"{path}/invoke", ROW.decode())
            if source.random() < 0.9:
                client.require("DELETE", path)
    elif kind == "raw load":
        client.ask(Request("POST", "/models", _body(name, source).decode("latin-1")))
    elif kind == "path":
        method = source.choice(("GET", "DELETE", "PUT", "POST"))
        client.ask(Request(method, source.choice((path, path + "/invoke", path + "/x")), ""))
    elif kind == "page":
        numbers = [quote(source.choice(NUMBERS)) for _ in range(2)]
        client.ask(Request("GET", "/models?limit={}&next_page_token={}".format(*numbers), ""))
    else:
        body = ROW + source.choice(TOKENS) if source.random() < 0.5 else ROW
        client.ask(Request("POST", f"{path}/invoke", body.decode("latin-1")))


def _name(source: random.Random) -> str:
    if source.random() < 0.5:
        return source.choice(NAMES)
    return "".join(source.choices(LETTERS, k=source.choice((1, 2, 3, 40, 1100))))


def _body(name: str, source: random.Random) -> bytes:
    # The folder above the model's is one that holds no model: 500.
    url = source.choice((URL, URL + "/..", "/etc", "\0", "x" * 5000, URL + "/" + "y" * 300, "m0"))
    data = json.dumps({"model_name": name, "url": url}).encode()
    if source.random() < 0.3:
        data = b'{"model_name": ' + source.choice(VALUES) + b', "url": "' + URL.encode() + b'"}'
    for _ in range(source.choice((0, 1, 2))):
        at = source.randrange(len(data) + 1)
        data = data[:at] + source.choice((*TOKENS, *VALUES)) + data[at + source.randrange(4) :]
    return data


def _unload_all(client: Client, server: Server) -> None:
    while models := json.loads(server.get("/models")[1])["models"]:
        before = len(client.faults)
        for model in models:
            client.require("DELETE", f"/models/{quote(model['modelName'], safe='')}")
        if len(client.faults) > before:
            return  # they would stay for ever


if __name__ == "__main__":
    sys.exit(main())
