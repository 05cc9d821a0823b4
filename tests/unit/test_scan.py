"""container/scan.py: its list of what may wait, and what it makes of the database's answers.

The database here is a small server with records in OSV's format, because OSV itself changes daily.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SCAN = Path(__file__).resolve().parents[2] / "container" / "scan.py"
TODAY = datetime.datetime.now(datetime.UTC).date()
LATER = TODAY + datetime.timedelta(days=30)
EARLIER = TODAY - datetime.timedelta(days=1)

GLIBC = "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13&upstream=glibc"
LIBC_BIN = "pkg:deb/debian/libc-bin@2.41-12?arch=amd64&distro=debian-13&upstream=glibc"
LIBCAP = (
    "pkg:deb/debian/libcap2@1:2.75-10%2Bb3?arch=amd64&distro=debian-13&upstream=libcap@1:2.75-10"
)
REQUESTS = "pkg:pypi/requests@2.32.0"


def record(number: str, ecosystem: str, name: str, fixed: str = "", **more: Any) -> dict[str, Any]:
    events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
    affected = {
        "package": {"ecosystem": ecosystem, "name": name},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    return {"id": number, "summary": "A flaw.", "affected": [affected], **more}


RECORDS = {
    "DEBIAN-CVE-2026-1": record(
        "DEBIAN-CVE-2026-1", "Debian:13", "glibc", "2.41-13", upstream=["CVE-2026-1"]
    ),
    "DEBIAN-CVE-2026-2": record("DEBIAN-CVE-2026-2", "Debian:13", "glibc"),
    "DEBIAN-CVE-2026-3": record("DEBIAN-CVE-2026-3", "Debian:13", "glibc", withdrawn="2026-01-01"),
    "GHSA-1": record("GHSA-1", "PyPI", "requests", "2.32.4", aliases=["CVE-2024-9"]),
}
RECORDS["DEBIAN-CVE-2026-4"] = record("DEBIAN-CVE-2026-4", "Debian:13", "glibc", "3")
RECORDS["DEBIAN-CVE-2026-4"]["affected"][0]["ecosystem_specific"] = {"urgency": "unimportant"}


class Database(ThreadingHTTPServer):
    """Answers /v1/querybatch and /v1/vulns/ID, one vulnerability a page."""

    def __init__(self, known: dict[str, list[str]]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.known = known
        self.asked: list[dict[str, Any]] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        results: list[dict[str, Any]] = []
        for query in body["queries"]:
            self.server.asked.append(query)
            ids = self.server.known.get(query["package"]["name"], [])
            page = int(query.get("page_token", 0))
            result: dict[str, Any] = {}
            if ids:
                result["vulns"] = [{"id": ids[page], "modified": "2026-01-01T00:00:00Z"}]
            if page + 1 < len(ids):
                result["next_page_token"] = str(page + 1)
            results.append(result)
        self.answer({"results": results})

    def do_GET(self) -> None:
        self.answer(RECORDS[self.path.rpartition("/")[2]])

    def answer(self, found: dict[str, Any]) -> None:
        body = json.dumps(found).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def database() -> Iterator[Database]:
    with Database({}) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def scan(
    folder: Path, url: str, purls: list[str], allowed: str = ""
) -> subprocess.CompletedProcess[str]:
    sbom = folder / "sbom.json"
    sbom.write_text(json.dumps({"components": [{"purl": purl} for purl in purls]}))
    (folder / "allowed.toml").write_text(allowed)
    return subprocess.run(
        [sys.executable, SCAN, sbom, "--allowed", folder / "allowed.toml", "--database", url],
        capture_output=True,
        text=True,
        timeout=60,
    )


def entry(number: str, package: str, expires: datetime.date) -> str:
    return (
        f'[[allowed]]\nid = "{number}"\npackage = "{package}"\n'
        f'reason = "no such call here"\nexpires = {expires}\n'
    )


def test_packages_are_asked_for_as_osv_names_them(database: Database, tmp_path: Path) -> None:
    end = scan(tmp_path, database.url, [GLIBC, LIBC_BIN, LIBCAP, REQUESTS])
    assert end.returncode == 0, end.stderr
    asked = {
        (query["package"]["ecosystem"], query["package"]["name"], query["version"])
        for query in database.asked
    }
    assert asked == {
        ("Debian:13", "glibc", "2.41-12"),
        ("Debian:13", "libcap", "1:2.75-10"),
        ("PyPI", "requests", "2.32.0"),
    }
    assert len(database.asked) == 3


def test_a_vulnerability_that_has_a_fix_fails(database: Database, tmp_path: Path) -> None:
    database.known = {"requests": ["GHSA-1"]}
    end = scan(tmp_path, database.url, [GLIBC, REQUESTS])
    assert end.returncode == 1
    assert "requests  2.32.0   CVE-2024-9     2.32.4    FIX IT  A flaw." in end.stdout


def test_a_vulnerability_without_a_fix_is_listed_and_passes(
    database: Database, tmp_path: Path
) -> None:
    database.known = {"glibc": ["DEBIAN-CVE-2026-2"]}
    end = scan(tmp_path, database.url, [GLIBC])
    assert end.returncode == 0
    assert "DEBIAN-CVE-2026-2" in end.stdout
    assert "no fix yet" in end.stdout


@pytest.mark.parametrize("number", ["DEBIAN-CVE-2026-3", "DEBIAN-CVE-2026-4"])
def test_what_is_withdrawn_or_rated_unimportant_is_left_out(
    database: Database, tmp_path: Path, number: str
) -> None:
    database.known = {"glibc": [number]}
    end = scan(tmp_path, database.url, [GLIBC])
    assert (end.returncode, number in end.stdout) == (0, False)


def test_every_page_of_an_answer_is_read(database: Database, tmp_path: Path) -> None:
    database.known = {"glibc": ["DEBIAN-CVE-2026-2", "DEBIAN-CVE-2026-1"]}
    end = scan(tmp_path, database.url, [GLIBC])
    assert end.returncode == 1
    assert "CVE-2026-1 " in end.stdout
    assert "DEBIAN-CVE-2026-2 " in end.stdout


@pytest.mark.parametrize("number", ["CVE-2026-1", "DEBIAN-CVE-2026-1"])
def test_an_entry_of_the_list_lets_one_wait(
    database: Database, tmp_path: Path, number: str
) -> None:
    database.known = {"glibc": ["DEBIAN-CVE-2026-1"]}
    end = scan(tmp_path, database.url, [GLIBC], entry(number, "glibc", LATER))
    assert end.returncode == 0, end.stdout
    assert f"allowed until {LATER}: no such call here" in end.stdout


def test_an_entry_holds_through_its_last_day(database: Database, tmp_path: Path) -> None:
    database.known = {"glibc": ["DEBIAN-CVE-2026-1"]}
    assert (
        scan(tmp_path, database.url, [GLIBC], entry("CVE-2026-1", "glibc", TODAY)).returncode == 0
    )


def test_an_entry_of_another_package_does_not_count(database: Database, tmp_path: Path) -> None:
    database.known = {"glibc": ["DEBIAN-CVE-2026-1"]}
    end = scan(tmp_path, database.url, [GLIBC], entry("CVE-2026-1", "requests", LATER))
    assert end.returncode == 1
    assert "allows nothing any more: remove it" in end.stdout


def test_an_expired_entry_fails_and_is_named(database: Database, tmp_path: Path) -> None:
    end = scan(tmp_path, database.url, [GLIBC], entry("CVE-2026-1", "glibc", EARLIER))
    assert end.returncode == 1
    assert f"CVE-2026-1 of glibc expired {EARLIER}" in end.stdout


def test_an_expired_entry_fails_also_without_the_database(tmp_path: Path) -> None:
    end = scan(tmp_path, "http://127.0.0.1:9", [GLIBC], entry("CVE-2026-1", "glibc", EARLIER))
    assert end.returncode == 1
    assert f"CVE-2026-1 of glibc expired {EARLIER}" in end.stdout


def test_a_database_that_cannot_be_reached_is_said_and_fails_nothing(tmp_path: Path) -> None:
    end = scan(tmp_path, "http://127.0.0.1:9", [GLIBC])
    assert end.returncode == 0
    assert "NOT SCANNED, http://127.0.0.1:9 could not be reached" in end.stdout


@pytest.mark.parametrize("status", [403, 407, 503])
def test_a_proxy_or_database_that_refuses_counts_as_unreachable(
    database: Database, tmp_path: Path, status: int
) -> None:
    database.status = status
    end = scan(tmp_path, database.url, [GLIBC])
    assert end.returncode == 0
    assert f"could not be reached (HTTP {status})" in end.stdout


def test_an_answer_to_a_wrong_question_is_no_pass(database: Database, tmp_path: Path) -> None:
    database.status = 400
    assert scan(tmp_path, database.url, [GLIBC]).returncode == 2


@pytest.mark.parametrize(
    ("allowed", "said"),
    [
        ('[[allowed]]\nid = "CVE-1"\n', "entry 1 has id; expected id, package, reason, expires"),
        (entry("CVE-1", "a", LATER).replace(f"{LATER}", f'"{LATER}"'), "expected 2027-01-31"),
        (entry("CVE-1", "a", LATER).replace("no such call here", ""), "reason = ''"),
        ("[[allowed", "allowed.toml: "),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(tmp_path: Path, allowed: str, said: str) -> None:
    end = scan(tmp_path, "http://127.0.0.1:9", [GLIBC], allowed)
    assert end.returncode == 2
    assert said in end.stderr


def test_the_list_of_this_checkout_can_be_read(tmp_path: Path) -> None:
    allowed = SCAN.with_name("scan-allowed.toml").read_text()
    assert scan(tmp_path, "http://127.0.0.1:9", [GLIBC], allowed).returncode == 0
