#!/usr/bin/env bash
# Measures serving: rows beside a constant answer, a large body, the start, memory.
set -euo pipefail
usage='usage: benchmarks/serving/run.sh [IMAGE[:TAG] [FIGURE...]]

  IMAGE    default: sagemaker-tabular:test
  FIGURE   requests large start memory (these by default), metrics, workers, stops [--stops N],
           soak [--minutes N]'
case ${1:-} in
  -h | --help) printf '%s\n' "$usage"; exit ;;
  -*) printf '%s\n' "$usage" >&2; exit 2 ;;
esac
need() { printf 'run.sh: %s\n' "$1" >&2; exit 1; }
for command in python3 docker wrk; do
  command -v "$command" >/dev/null || need "no $command on PATH (Debian: apt-get install python3 docker.io wrk)"
done
image=${1:-sagemaker-tabular:test}
[ $# -eq 0 ] || shift
docker version >/dev/null 2>&1 || need "no Docker engine answers; start Docker"
docker image inspect "$image" >/dev/null 2>&1 ||
  need "the engine has no image $image; build it: container/build.sh $image"
exec python3 "$(dirname "${BASH_SOURCE[0]}")/measure.py" "$image" "$@"
