#!/usr/bin/env bash
# Serve the model of a folder with the layout of /opt/ml, until Ctrl-C.
set -euo pipefail

USAGE='usage: [PORT=8080] local_test/serve_local.sh DIR [--no-docker]

Serves DIR/model on http://127.0.0.1:PORT (/ping, /invocations) until Ctrl-C.'

. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
read_arguments "$@"
[ ${#ARGUMENTS[@]} -eq 1 ] || die "expected one folder"$'\n'"$USAGE"
folder=$(job_folder "${ARGUMENTS[0]}" model \
  "train first: local_test/train_local.sh DIR") || exit 1
port=${PORT:-8080}
choose_engine
set_up
require_free_port "$port"
say "Serving $folder/model on http://127.0.0.1:$port; Ctrl-C ends it"
if [ "$ENGINE" = docker ]; then
  # As on SageMaker: the model is read-only. Only /tmp is writable.
  exec docker run --rm --read-only --tmpfs /tmp \
    --user "$(id -u):$(id -g)" -v "$folder/model:/opt/ml/model:ro" \
    -p "127.0.0.1:$port:8080" "$IMAGE" serve
else
  export SAGEMAKER_BIND_TO_PORT=$port TABULAR_BIND_ADDRESS=127.0.0.1
  run_package serve "$folder"
fi
