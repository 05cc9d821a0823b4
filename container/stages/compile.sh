#!/bin/sh
# compile.sh PYTHON FOLDER...: compile every module reproducibly.
# marshal marks an object that has more than one reference, and the references of a string depend on
# the modules that the same process compiled before. So each entry of a folder is compiled in a
# separate process, in sorted order. The hash seed, which decides the order of sets, is fixed.
set -eu
python=$1
shift
export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
for folder; do
  find "$folder" -name __pycache__ -prune -exec rm -rf {} +
  # The file system is read-only later, and compiling takes 6 s of every start.
  find "$folder" -mindepth 1 -maxdepth 1 \( -type d -o -name '*.py' \) -print0 | sort -z |
    xargs -0 -r -n 1 -P "$(nproc)" "$python" -m compileall -q --invalidation-mode unchecked-hash
done
