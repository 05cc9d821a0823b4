#!/bin/sh
# strip_packages.sh FOLDER: remove tests, sources for compilers, and Windows files from packages.
# `testing` and conftest.py stay: scikit-learn's estimator checks import numpy.testing.
set -eu
find "$1" -type d \( -name tests -o -name test -o -name testdata \) -prune -exec rm -rf {} +
find "$1" -type f \( -name '*.a' -o -name '*.c' -o -name '*.cc' -o -name '*.cpp' -o -name '*.cmake' \
  -o -name '*.h' -o -name '*.hpp' -o -name '*.pc' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.pyx' \
  -o -name '*.exe' -o -name '*.pyx.in' -o -name '*.pxd.in' -o -name '*.pyx.tp' -o -name '*.pxd.tp' -o -name meson.build \) -delete
find "$1" -mindepth 1 -type d -empty -delete
