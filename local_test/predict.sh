#!/usr/bin/env bash
# Send rows to a server started by serve_local.sh (or docker compose) and print its response.
set -euo pipefail

USAGE='usage: [PORT=8080] local_test/predict.sh FILE [ACCEPT]

FILE holds CSV rows without the label and without a header (- reads standard input);
ACCEPT is text/csv or application/json.'

. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
[ "${1:-}" != - ] || set -- /dev/stdin "${@:2}"
read_arguments "$@"
[ ${#ARGUMENTS[@]} -ge 1 ] || die "expected a file"$'\n'"$USAGE"
python=$(find_python) || exit 1
exec "$python" "$ROOT/local_test/invoke.py" "http://127.0.0.1:${PORT:-8080}" "${ARGUMENTS[@]}"
