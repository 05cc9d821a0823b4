"""Send a CSV file to a serving container and print the response. Standard library only."""

import sys
import urllib.error
import urllib.request
from pathlib import Path


def invoke(url: str, body: bytes, accept: str = "text/csv") -> str:
    """POST rows to ``/invocations``.

    Raises
    ------
    SystemExit
        No server listens there, or the server refused the request; the message has its response.
    """
    request = urllib.request.Request(
        f"{url}/invocations", body, {"Content-Type": "text/csv", "Accept": accept}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{error.code} {error.reason}: {error.read().decode().strip()}") from None
    except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, (BrokenPipeError, ConnectionResetError)):
            raise SystemExit(
                f"{url} broke off while {len(body)} bytes were sent; send fewer rows"
            ) from None
        raise SystemExit(
            f"nothing answers at {url} ({reason}); start local_test/serve_local.sh first, "
            "or set PORT to its port"
        ) from None


if __name__ == "__main__":
    try:
        rows = Path(sys.argv[2]).read_bytes()
    except OSError as error:
        raise SystemExit(f"{sys.argv[2]} can't be read: {error.strerror}") from None
    sys.stdout.write(invoke(sys.argv[1], rows, *sys.argv[3:]))
