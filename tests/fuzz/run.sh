#!/usr/bin/env bash
# Runs every fuzzer that is there, one after the other, each for an equal share of the time.
set -euo pipefail
usage='usage: tests/fuzz/run.sh IMAGE[:TAG] [--seconds N] [--corpus DIR] [--seed N]

  --seconds N    for all fuzzers together (600)
  --corpus DIR   inputs that are kept: replayed first, and new ones added
  --seed N       default: the number of days since 1970, so that each run of a schedule differs

Needs Docker, and a Python with the packages of uv.lock and atheris: PYTHON names it (default:
.venv-tests/bin/python of this checkout, where atheris is installed if it lacks). The status is 1
if a fuzzer found something.'
case ${1:-} in
  -h | --help) printf '%s\n' "$usage"; exit ;;
  '' | -*) printf '%s\n' "$usage" >&2; exit 2 ;;
esac
image=$1
shift
seconds=600 corpus='' seed=$(($(date +%s) / 86400))
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=${2:?"$usage"} ;;
    --corpus) corpus=${2:?"$usage"} ;;
    --seed) seed=${2:?"$usage"} ;;
    *) printf '%s\n' "$usage" >&2; exit 2 ;;
  esac
  shift 2
done
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-$here/../../.venv-tests/bin/python}
[ -x "$python" ] || { printf 'run.sh: no Python at %s; run tests/run.sh unit, or set PYTHON\n' "$python" >&2; exit 2; }
"$python" -c 'import atheris' 2>/dev/null || "$here/../../.venv-tools/bin/uv" pip install --quiet --python "$python" atheris

scratch=$(mktemp -d)
container=''
# shellcheck disable=SC2329 # called by trap
clean() {
  [ -z "$container" ] || docker rm --force --volumes "$container" >/dev/null
  docker run --rm --volume "$scratch:/scratch" --entrypoint rm "$image" -rf /scratch/ml /scratch/models
  rmdir "$scratch"
}
trap clean EXIT

# A model of four features, and the same as a model of a multi-model endpoint.
make_models() {
  mkdir -p "$scratch/ml/input/config" "$scratch/ml/input/data/train" "$scratch/ml/model" "$scratch/models/m0"
  printf '{"objective": "reg:squarederror", "num_round": "20"}' >"$scratch/ml/input/config/hyperparameters.json"
  awk 'BEGIN { srand(1); for (i = 0; i < 200; i++) printf "%f,%f,%f,%f,%f\n", rand(), rand(), rand(), rand(), rand() }' \
    >"$scratch/ml/input/data/train/data.csv"
  docker run --rm --network none --volume "$scratch/ml:/opt/ml" "$image" train >"$scratch/ml/log" 2>&1 || {
    cat "$scratch/ml/log" >&2
    return 1
  }
  docker run --rm --network none --volume "$scratch:/scratch" --entrypoint cp "$image" -r /scratch/ml/model /scratch/models/m0/model
}

# serve OPTION...: start a server; its container and URL are in $container and $url.
serve() {
  [ -z "$container" ] || docker rm --force --volumes "$container" >/dev/null
  container=$(docker run --detach --publish 127.0.0.1::8080 "$@" "$image" serve)
  url=http://$(docker port "$container" 8080 | head -n 1)
  for _ in $(seq 300); do
    if "$python" -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1])' "$url/ping" 2>/dev/null; then
      return
    fi
    sleep 0.2
  done
  docker logs "$container" >&2
  return 1
}

status=0
# fuzz NAME OPTION...: one fuzzer, for its share.
fuzz() {
  local name=$1
  shift
  local options=(--seconds "$share" --seed "$seed" --runs 1000000000)
  [ -z "$corpus" ] || options+=(--corpus "$corpus")
  printf '==> %s, %s s\n' "$name" "$share"
  "$python" "$here/$name.py" "${options[@]}" "$@" || status=1
}

fuzzers=(decoders invocations raw_http multi_model)
[ ! -e "$here/pickles.py" ] || fuzzers+=(pickles)
share=$((seconds / ${#fuzzers[@]}))
make_models
for fuzzer in "${fuzzers[@]}"; do
  case $fuzzer in
    invocations | raw_http)
      serve --volume "$scratch/ml/model:/opt/ml/model:ro"
      fuzz "$fuzzer" --url "$url" --container "$container"
      ;;
    multi_model)
      serve --volume "$scratch/models:/opt/ml/models:ro" --env SAGEMAKER_MULTI_MODEL=true
      fuzz "$fuzzer" --url "$url" --container "$container"
      ;;
    *) fuzz "$fuzzer" ;;
  esac
done
exit "$status"
