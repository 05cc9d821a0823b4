#!/usr/bin/env bash
# Set up, train on real data, serve, and predict rows that the model has not seen.
set -euo pipefail

USAGE='usage: [PORT=8080] local_test/run.sh [--no-docker]

Trains on the sample in local_test/sample (breast cancer, 569 rows, 30 features), serves the
model, sends the held-out rows, prints accuracy and a confusion matrix, and stops.
With a Docker engine it uses the image; without one, or with --no-docker, the same package in a
virtual environment.'

. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
read_arguments "$@"
[ ${#ARGUMENTS[@]} -eq 0 ] || die "takes no folder: train_local.sh does"$'\n'"$USAGE"
here=$ROOT/local_test
sample=$here/sample
started=$SECONDS
step() { say "" && say "[$1/4] $2   ($((SECONDS - started)) s)"; }

server=''
stop_server() {
  [ -n "$server" ] || return 0
  # `docker run` forwards the signal to the container.
  kill "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=''
}
trap stop_server EXIT
trap 'exit 130' INT TERM

step 1 "Set up"
choose_engine
set_up
python=$(find_python) || exit 1
# The other scripts use the same engine, and do not build again.
options=()
if [ "$ENGINE" = docker ]; then export TABULAR_IMAGE=$IMAGE; else options=(--no-docker); fi

step 2 "Train"
"$here/train_local.sh" "$sample" ${options[@]+"${options[@]}"}

step 3 "Serve"
# A free port: the requested one if it is free.
PORT=$("$python" - "${PORT:-8080}" <<'PYTHON'
import socket, sys
for port in (int(sys.argv[1]), 0):
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(candidate.getsockname()[1])
        break
PYTHON
)
export PORT
mkdir -p "$sample/output"
log=$sample/output/serve.log
"$here/serve_local.sh" "$sample" ${options[@]+"${options[@]}"} >"$log" 2>&1 &
server=$!

step 4 "Predict"
"$python" "$here/score.py" "http://127.0.0.1:$PORT" "$sample/held_out.csv" 60 || {
  say "The server's log ($log) ends:"
  tail -n 5 "$log" >&2
  exit 1
}
stop_server

engine_words="in the image $IMAGE"
[ "$ENGINE" = docker ] || engine_words="in the virtual environment $VENV (no container)"
cat <<END
Trained and served $engine_words, in $((SECONDS - started)) s.
  data      $sample/input/data (how it is laid out: $sample/README.md)
  model     $sample/model/xgboost-model, described in $sample/model/tabular/manifest.json
  log       $log

Next, your own data: a folder with input/data/train/*.csv (label first, no header) and
input/config/hyperparameters.json; then
  local_test/train_local.sh DIR    local_test/serve_local.sh DIR    local_test/predict.sh ROWS.csv
END
