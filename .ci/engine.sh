#!/usr/bin/env bash
# Gives a clean Debian machine a Docker engine and what the tests call; does nothing twice.
set -euo pipefail

readonly LOG=/var/log/dockerd-ci.log
export DEBIAN_FRONTEND=noninteractive

updated=''
# install PACKAGE[/RELEASE]...
install() {
  [ -n "$updated" ] || apt-get update -qq
  updated=yes
  printf 'engine.sh: installing %s\n' "$*"
  apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

# lacking COMMAND PACKAGE: the package's name, when the command is not there.
lacking() { command -v "$1" >/dev/null || printf '%s ' "$2"; }

answers() { docker version >/dev/null 2>&1; }

missing=$(
  lacking cc 'gcc libc6-dev'
  lacking chromium-headless-shell chromium-headless-shell
  lacking curl curl
  lacking docker-registry docker-registry
  lacking git git
  lacking ip iproute2
  lacking mmdebstrap mmdebstrap
  lacking wrk wrk
  [ -e /etc/ssl/certs/ca-certificates.crt ] || printf 'ca-certificates '
  /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || printf 'python3-venv '
  answers || {
    lacking dockerd docker.io
    lacking iptables iptables
  }
)
# shellcheck disable=SC2086 # one word for each package
[ -z "$missing" ] || install $missing
# From Debian 13 on the client is a package of its own.
command -v docker >/dev/null || install docker-cli

plugins=''
docker compose version >/dev/null 2>&1 || plugins='docker-compose'
docker buildx version >/dev/null 2>&1 || plugins="$plugins docker-buildx"
if [ -n "$plugins" ]; then
  release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  if [ "$release" = bookworm ]; then
    # Debian 12 has neither; those of Debian 13 need only its libc. The pin keeps all else out.
    release=trixie
    sources=/etc/apt/sources.list.d
    if [ -e $sources/debian.sources ]; then
      sed '/^$/,$d; s/^Suites:.*/Suites: trixie/' $sources/debian.sources >$sources/trixie.sources
    else
      sed -n '/^deb /{s/ bookworm / trixie /p;q}' /etc/apt/sources.list >$sources/trixie.list
    fi
    printf 'Package: *\nPin: release n=trixie\nPin-Priority: 100\n' >/etc/apt/preferences.d/trixie
    updated=''
  fi
  for plugin in $plugins; do install "$plugin/$release"; done
fi

if ! answers; then
  # A dockerd that was killed leaves its number behind, which may be another process's by now.
  for file in /var/run/docker.pid /var/run/docker/containerd/containerd.pid; do
    if [ -f $file ] && ! grep -qsE '^(dockerd|containerd)$' "/proc/$(cat $file)/comm"; then
      rm -f $file
    fi
  done
  printf 'engine.sh: starting dockerd, log in %s\n' "$LOG"
  setsid dockerd >"$LOG" 2>&1 </dev/null &
  engine=$!
  for _ in $(seq 60); do
    answers && break
    kill -0 "$engine" 2>/dev/null || break
    sleep 1
  done
  answers || {
    printf 'engine.sh: dockerd did not come up; the end of %s:\n' "$LOG" >&2
    tail -n 40 "$LOG" >&2
    exit 1
  }
fi
# A bridge without an address of its own takes a port's, and another one's when that port goes:
# containers then send to an address that is not there, for up to a minute.
readonly BRIDGE=/sys/class/net/docker0 OF_ITS_OWN=3
if [ -e $BRIDGE ] && [ "$(cat $BRIDGE/addr_assign_type)" != $OF_ITS_OWN ]; then
  ip link set docker0 address 02:42:00:00:00:01
fi
docker version --format 'engine.sh: Docker engine {{.Server.Version}}, client {{.Client.Version}}'
