"""Install pip into a virtual environment if Python lacks it (Debian's package python3).

Run it with the environment's Python. It downloads one known release from the package index (that of
``PIP_INDEX_URL``, else that of ``uv.lock``), checks its SHA-256, and installs it.
"""

import hashlib
import os
import re
import ssl
import subprocess
import sys
import tempfile
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "uv.lock"
WHEEL = "pip-26.0.1-py3-none-any.whl"
SHA256 = "bdb1b08f4274833d62c1aa29e20907365a2ceb950410df15fc9521bad440122b"


def locked_index() -> str:
    """Return the package index of ``uv.lock``."""
    packages = tomllib.loads(LOCK.read_text())["package"]
    sources = (package["source"] for package in packages)
    return str(next(source["registry"] for source in sources if "registry" in source))


def main() -> int:
    """Install pip. Return 1, with one line on standard error, if that fails."""
    index = (os.environ.get("PIP_INDEX_URL") or locked_index()).rstrip("/")
    page = f"{index}/pip/"
    context = ssl.create_default_context(cafile=os.environ.get("PIP_CERT") or None)
    cure = "install Python's venv module (Debian: apt-get install python3-venv) and start again"
    try:
        with urllib.request.urlopen(page, timeout=60, context=context) as answer:
            links = re.findall(r'href="([^"]+)"', answer.read().decode())
        link = next(link for link in links if WHEEL in link)
        with urllib.request.urlopen(
            urllib.parse.urljoin(page, link), timeout=60, context=context
        ) as answer:
            content = answer.read()
    except (OSError, StopIteration) as error:
        print(f"pip could not be fetched from {page} ({error!r}); {cure}", file=sys.stderr)
        return 1
    if hashlib.sha256(content).hexdigest() != SHA256:
        print(f"{WHEEL} from {page} is not the file expected; {cure}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(folder) / WHEEL
        wheel.write_bytes(content)
        install = [sys.executable, f"{wheel}/pip", "install", "--quiet", "--no-index", str(wheel)]
        return subprocess.run(install, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
