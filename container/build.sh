#!/usr/bin/env bash
# Builds the image. build_and_push.sh, the tests, local_test and CI call this script.
set -euo pipefail

readonly USAGE='usage: container/build.sh IMAGE[:TAG] [--platform linux/amd64] [--accelerator cpu|gpu]
                          [--pinned] [--no-cache] [--sbom FILE]
       container/build.sh --print-version   what the image is named after: VERSION-COMMIT
       container/build.sh --check           only look whether a Docker engine answers

  --pinned      refuse to build on another base than the one that base.digest names
  --no-cache    take no layer of an earlier build
  --sbom FILE   also write what is in the image (CycloneDX, JSON) to FILE

CA_BUNDLE (or else PIP_CERT) names a file of certificates for a network that inspects TLS; the
build trusts it and the image does not keep it.'

caller=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"
BASE=$(sed -n 's/^ARG BASE=//p' Dockerfile)
readonly BASE

say() { printf '%s\n' "build.sh: $*" >&2; }
die() {
  say "$*"
  exit 1
}
misused() {
  say "$1"
  printf '%s\n' "$USAGE" >&2
  exit 2
}

version() {
  sed -n 's/^version *= *"\([^"]*\)".*/\1/p' ../pyproject.toml | head -n 1
}

# Print the commit, with -dirty if the working tree has changes. The length is always 12 digits,
# because git's default length differs between clones, and a commit must have one name.
revision() {
  local commit changes
  if commit=$(git rev-parse --short=12 HEAD 2>/dev/null) &&
    changes=$(git -C .. status --porcelain 2>/dev/null); then
    printf '%s\n' "$commit${changes:+-dirty}"
  else
    printf 'unknown\n'
  fi
}

# Print the URL of the clone's origin, without a password.
source_url() {
  local origin
  origin=$(git config --get remote.origin.url 2>/dev/null) || true
  case $origin in
    https://* | ssh://* | git@*) printf '%s\n' "$origin" | sed 's#//[^@/]*@#//#' ;;
    *) printf 'unknown\n' ;;
  esac
}

require_engine() {
  local answer
  command -v docker >/dev/null ||
    die "no docker command on PATH; install Docker Desktop, or Docker Engine (Debian: apt-get install docker.io)"
  answer=$(docker version --format '{{.Server.Version}}' 2>&1) ||
    die "no Docker engine answered at ${DOCKER_HOST:-the default address}; start Docker Desktop or the docker service (docker said: $(printf '%s' "$answer" | tail -n 1))"
}

readonly UNKNOWN=unknown

# require_base: get the base image into the engine, and set base_pin and base_digest.
require_base() {
  local pinned
  pinned=$(grep -m 1 -oE '^sha256:[0-9a-f]{64}$' base.digest || true)
  base_pin='' base_digest=$UNKNOWN
  if [ -n "$pinned" ]; then
    if have "$BASE@$pinned"; then
      base_pin=@$pinned base_digest=$pinned
      return
    fi
    [ -z "$pinned_only" ] || die "$BASE@$pinned, which base.digest names, could not be pulled"
    say "warning: $BASE@$pinned, which base.digest names, could not be pulled: taking $BASE as it is"
  elif [ -n "$pinned_only" ]; then
    die "base.digest names no digest; the weekly workflow fills it in (docs/supply-chain.md)"
  fi
  have "$BASE" || make_base
  base_digest=$(docker image inspect --format '{{join .RepoDigests "\n"}}' "$BASE" |
    sed -n 's/.*@//p' | head -n 1)
  if [ -z "$base_digest" ]; then
    base_digest=$UNKNOWN
    say "the base $BASE is from no registry, so the image's labels name no digest of it"
  fi
}

# have REFERENCE: succeed if the engine has the image or can pull it.
have() {
  docker image inspect "$1" >/dev/null 2>&1 && return
  say "pulling $1"
  docker pull ${platform:+--platform "$platform"} "$1" >&2
}

# If no registry can be reached, build the same base image from Debian's packages in 20 s.
make_base() {
  local native
  native=$(docker version --format '{{.Server.Os}}/{{.Server.Arch}}')
  [ "${platform:-$native}" = "$native" ] ||
    die "$BASE for $platform is not here and could not be pulled; make the registry reachable, or docker load the image"
  command -v mmdebstrap >/dev/null ||
    die "$BASE is not here and could not be pulled; make the registry reachable, docker load the image, or install mmdebstrap to have it made"
  say "$BASE could not be pulled: making it with mmdebstrap"
  mmdebstrap --quiet --variant=minbase trixie - | docker import - "$BASE" >&2 ||
    die "$BASE could not be pulled, and mmdebstrap failed to make it (see above)"
}

# write_sbom FILE: copy the SBOM from the image. The image may be for another platform.
write_sbom() {
  local container
  container=$(docker create ${platform:+--platform "$platform"} "$image") || return
  docker cp "$container:/usr/share/sagemaker-tabular/sbom.cdx.json" "$1" >&2 || {
    docker rm "$container" >/dev/null
    return 1
  }
  docker rm "$container" >/dev/null
}

image='' platform='' accelerator=cpu pinned_only='' cache=yes sbom=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      printf '%s\n' "$USAGE"
      exit
      ;;
    --print-version)
      printf '%s-%s\n' "$(version)" "$(revision)"
      exit
      ;;
    --check)
      require_engine
      exit
      ;;
    --pinned) pinned_only=yes ;;
    --no-cache) cache='' ;;
    --platform | --accelerator | --sbom)
      [ -n "${2:-}" ] || misused "$1 needs a value"
      case $1 in
        --platform) platform=$2 ;;
        --accelerator) accelerator=$2 ;;
        # A relative path is the caller's, and this script has gone to its own folder.
        --sbom) sbom=$2; [ "${2#/}" != "$2" ] || sbom=$caller/$2 ;;
      esac
      shift
      ;;
    -*) misused "unknown option $1" ;;
    *)
      [ -z "$image" ] || misused "one image at a time: $image, $1"
      image=$1
      ;;
  esac
  shift
done
[ -n "$image" ] || misused "the name of the image is missing"
case $accelerator in
  cpu | gpu) ;;
  *) misused "--accelerator is cpu or gpu, not $accelerator" ;;
esac

require_engine
require_base

# Old clients use the legacy builder without DOCKER_BUILDKIT. Without the second variable, newer
# clients push an OCI index with attestations, which SageMaker refuses.
export DOCKER_BUILDKIT=1 BUILDX_NO_DEFAULT_ATTESTATIONS=1
# The date of the commit is the image's date; buildx passes the variable on.
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null) || SOURCE_DATE_EPOCH=''
fi
[ -z "$SOURCE_DATE_EPOCH" ] || export SOURCE_DATE_EPOCH

build=(build --file Dockerfile --tag "$image"
  --build-arg "ACCELERATOR=$accelerator"
  --build-arg "VERSION=$(version)"
  --build-arg "REVISION=$(revision)"
  --build-arg "SOURCE=$(source_url)"
  --build-arg "BASE_PIN=$base_pin"
  --build-arg "BASE_DIGEST=$base_digest"
  --build-arg BUILT_BY=container/build.sh)
[ -n "$cache" ] || build+=(--no-cache)
[ -z "$platform" ] || build+=(--platform "$platform")
[ -t 2 ] || build+=(--progress plain)
# containerd's image store would keep OCI media types, which SageMaker's CreateModel refuses.
case $(docker info --format '{{.DriverStatus}}' 2>/dev/null) in
  *io.containerd.snapshotter*) build+=(--output type=docker) ;;
esac
certificates=${CA_BUNDLE:-${PIP_CERT:-}}
if [ -n "$certificates" ] && [ -r "$certificates" ]; then
  build+=(--secret "id=ca_bundle,src=$certificates")
elif [ -n "${CA_BUNDLE:-}" ]; then
  die "CA_BUNDLE names $CA_BUNDLE, which cannot be read"
fi

docker "${build[@]}" . >&2 || die "the build of $image failed; the first error is above"

if [ -n "$platform" ]; then
  built=$(docker image inspect --format '{{.Os}}/{{.Architecture}}' "$image")
  case $platform/ in
    "$built"/*) ;;
    *) die "asked for $platform and got $built: the engine holds $BASE for $built only; docker rmi $BASE$base_pin and build again" ;;
  esac
fi
if [ -n "$sbom" ]; then
  write_sbom "$sbom" || die "the list of what is in $image could not be written to $sbom"
fi
say "built $image (version $(version), commit $(revision), $accelerator)"
