#!/usr/bin/env bash
# Measures training: formats beside a bare script, less memory than data, 1, 2 and 4 hosts.
set -euo pipefail
usage='usage: benchmarks/training/run.sh [IMAGE[:TAG] [FOLDER]]   (defaults: sagemaker-tabular:test, a temporary folder for the data)'
case ${1:-} in
  -h | --help) printf '%s\n' "$usage"; exit ;;
  -*) printf '%s\n' "$usage" >&2; exit 2 ;;
esac
need() { printf 'run.sh: %s\n' "$1" >&2; exit 1; }
for command in python3 docker; do
  command -v "$command" >/dev/null || need "no $command on PATH (Debian: apt-get install python3 docker.io)"
done
image=${1:-sagemaker-tabular:test}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
docker version >/dev/null 2>&1 || need "no Docker engine answers; start Docker"
docker image inspect "$image" >/dev/null 2>&1 ||
  need "the engine has no image $image; build it: container/build.sh $image"
if [ -n "${2:-}" ]; then
  mkdir -p "$2"
  folder=$(cd "$2" && pwd)
else
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi
inside() {
  docker run --rm --network none --user "$(id -u):$(id -g)" --entrypoint python \
    -v "$here:/benchmark:ro" -v "$folder:/data" "$image" "/benchmark/$1" "${@:2}"
}
[ -e "$folder/recordio-protobuf" ] || inside data.py /data
mkdir -p "$here/../results"
inside pairs.py /data csv parquet libsvm recordio-protobuf | tee "$here/../results/training.json" |
  python3 "$here/table.py"
python3 "$here/hosts.py" "$image" "$folder"
