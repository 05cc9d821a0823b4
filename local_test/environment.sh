# shellcheck shell=bash
# Choose where the package runs: in the image if a Docker engine answers, else in a virtual
# environment. Sourced by the scripts in this folder; sets ROOT, ENGINE and, without Docker, PYTHON.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
IMAGE=${TABULAR_IMAGE:-sagemaker-tabular:local}
VENV=$ROOT/.venv-local

say() { printf '%s\n' "$*" >&2; }
die() {
  say "${0##*/}: $*"
  exit 1
}

# Set NO_DOCKER if --no-docker is among the arguments; the other arguments are in ARGUMENTS.
read_arguments() {
  NO_DOCKER=''
  ARGUMENTS=()
  local argument
  for argument in "$@"; do
    case $argument in
      --no-docker) NO_DOCKER=yes ;;
      -h | --help)
        say "$USAGE"
        exit 0
        ;;
      -*) die "unknown option $argument"$'\n'"$USAGE" ;;
      *) ARGUMENTS+=("$argument") ;;
    esac
  done
}

choose_engine() {
  local reason
  if [ -n "$NO_DOCKER" ]; then
    ENGINE=venv
  elif reason=$("$ROOT/container/build.sh" --check 2>&1); then
    ENGINE=docker
  else
    ENGINE=venv
    say "Without Docker ($reason)."
    say "The same package runs in a virtual environment instead; --no-docker says so from the start."
  fi
}

# job_folder DIR SUBFOLDER HINT: print the absolute path of DIR, which must contain SUBFOLDER.
job_folder() {
  [ -d "$1" ] || die "$1 is not a folder; expected one laid out as /opt/ml (input/data/train/..., input/config/...)"
  [ -d "$1/$2" ] || die "$1 has no folder $2; $3"
  case $1 in
    *:*) die "$1 has a colon in its name, which Docker can't mount; rename it" ;;
  esac
  (cd "$1" && pwd)
}

# Fail if another program listens on the port of the server.
require_free_port() {
  local python
  python=$(find_python) || exit 1
  "$python" -c 'import socket, sys; sys.exit(socket.socket().connect_ex(("127.0.0.1", int(sys.argv[1]))) == 0)' "$1" ||
    die "port $1 is in use; stop what listens there, or choose another: PORT=8081 ${0}"
}

set_up() {
  if [ "$ENGINE" = venv ]; then
    install_packages
  elif [ -n "${TABULAR_IMAGE:-}" ]; then
    docker image inspect "$IMAGE" >/dev/null 2>&1 || die "TABULAR_IMAGE names $IMAGE, which does not exist"
  else
    say "Building the image $IMAGE (2 minutes the first time, seconds later)"
    local log
    log=$(mktemp)
    if [ -t 2 ]; then
      "$ROOT/container/build.sh" "$IMAGE" || exit 1
    elif ! "$ROOT/container/build.sh" "$IMAGE" >"$log" 2>&1; then
      cat "$log" >&2
      exit 1
    fi
    rm -f "$log"
  fi
}

find_python() {
  local candidate
  for candidate in python3 python3.13 python3.12 python3.14 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  die "no Python 3.11 to 3.14 on PATH (python3: $(python3 --version 2>/dev/null || echo missing)); install one, or start Docker"
}

install_packages() {
  local python stamp requirements=$ROOT/container/requirements/cpu.txt
  PYTHON=$VENV/bin/python
  python=$(find_python) || exit 1
  stamp=$("$python" -c 'import hashlib, sys; print(sys.version, hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$requirements")
  [ "$(cat "$VENV/installed" 2>/dev/null)" != "$stamp" ] || return 0
  say "Installing the packages into ${VENV#"$PWD"/} (about 120 MB, a minute the first time)"
  # Debian has the files that `venv` needs to install pip in a separate package.
  "$python" -m venv --clear "$VENV" >/dev/null 2>&1 || {
    "$python" -m venv --clear --without-pip "$VENV" || die "$python can't make a virtual environment; install its venv module (Debian: apt-get install python3-venv)"
    "$PYTHON" "$ROOT/local_test/bootstrap_pip.py" || exit 1
  }
  "$PYTHON" -m pip install --disable-pip-version-check --only-binary=:all: --require-hashes -r "$requirements" >&2 ||
    die "the packages could not be installed (see above); check the network, or set PIP_INDEX_URL and PIP_CERT"
  printf '%s\n' "$stamp" >"$VENV/installed"
}

# run_package COMMAND DIR: run a command of the package (train, serve) on a folder.
run_package() {
  SAGEMAKER_BASE_DIR=$2 PYTHONPATH=$ROOT/container:$ROOT/container/compat PYTHONUNBUFFERED=1 \
    exec "$PYTHON" -m "tabular.commands.$1"
}
