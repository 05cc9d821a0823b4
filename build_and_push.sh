#!/usr/bin/env bash
# Builds the image and pushes it to Amazon ECR; docs/push.md is the manual.
set -euo pipefail

readonly USAGE='usage: ./build_and_push.sh [--repository NAME] [--region REGION] [--platform linux/amd64]
                           [--accelerator cpu|gpu] [--tag TAG] [--latest]

Builds the image, pushes it to Amazon ECR and prints IMAGE_URI=... as the last line.

  --repository NAME   ECR repository, made if missing (default: sagemaker-tabular)
  --region REGION     else AWS_REGION, AWS_DEFAULT_REGION, or the profile of the AWS CLI
  --platform P        linux/amd64 (default) or linux/arm64
  --accelerator A     cpu (default) or gpu
  --tag TAG           default: the version and the git commit, as 0.1.0-0a1b2c3d4e5f
  --latest            also move the tag "latest" to this image

ECR_REGISTRY=HOST[:PORT] pushes to another registry than the account'\''s own, and
AWS_ENDPOINT_URL=URL asks another AWS than the real one.'

cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf '%s\n' "build_and_push.sh: $*" >&2; }
die() {
  say "$*"
  exit 1
}
misused() {
  say "$1"
  printf '%s\n' "$USAGE" >&2
  exit 2
}

repository=sagemaker-tabular region='' platform=linux/amd64 accelerator=cpu tag='' latest=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      printf '%s\n' "$USAGE"
      exit
      ;;
    --latest) latest=latest ;;
    --repository | --region | --platform | --accelerator | --tag)
      [ -n "${2:-}" ] || misused "$1 needs a value"
      case $1 in
        --repository) repository=$2 ;;
        --region) region=$2 ;;
        --platform) platform=$2 ;;
        --accelerator) accelerator=$2 ;;
        --tag) tag=$2 ;;
      esac
      shift
      ;;
    *) misused "unknown argument $1" ;;
  esac
  shift
done
# SageMaker runs these two; any other would be pushed and then refused there.
case $platform in
  linux/amd64 | linux/arm64) ;;
  *) misused "--platform is linux/amd64 or linux/arm64, not $platform" ;;
esac
case $accelerator in
  cpu | gpu) ;;
  *) misused "--accelerator is cpu or gpu, not $accelerator" ;;
esac

command -v aws >/dev/null ||
  die "no aws command on PATH; install the AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
container/build.sh --check

complaint=$(mktemp)
trap 'rm -f "$complaint"' EXIT
# What the last command wrote to the file of complaints, as one line.
reason() { tr -s '\n' ' ' <"$complaint" | sed 's/^ *//; s/ *$//'; }

# --- What to call it -------------------------------------------------------------------------
suffix=''
[ "$accelerator" = cpu ] || suffix=-$accelerator
[ "$platform" = linux/amd64 ] || suffix=$suffix-${platform#linux/}
if [ -z "$tag" ]; then
  tag=$(container/build.sh --print-version)
  case $tag in
    *-unknown)
      die "the tag is the version and the git commit, but git knows no commit here ($(git rev-parse HEAD 2>&1 | head -n 1)); work in a git clone, or name the image with --tag"
      ;;
  esac
  tag=$tag$suffix
fi
[ -z "$latest" ] || latest=latest$suffix
dirty=''
case $(container/build.sh --print-version) in
  *-dirty)
    dirty=yes
    say "warning: the tree has changes that are in no commit; nobody can build $tag again from git"
    ;;
esac

# --- Where it goes ---------------------------------------------------------------------------
region=${region:-${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region 2>/dev/null || true)}}}
[ -n "$region" ] ||
  die "no region: looked at --region, AWS_REGION, AWS_DEFAULT_REGION and the AWS CLI's profile ${AWS_PROFILE:-default}; set one of them, as in --region eu-west-1"
# The AWS CLI v1 reads only the second one; v2 pages its answers unless told not to.
export AWS_REGION=$region AWS_DEFAULT_REGION=$region AWS_PAGER=''

account=$(aws sts get-caller-identity --query Account --output text 2>"$complaint") ||
  die "no AWS account: $(reason) (aws sts get-caller-identity failed; set AWS_PROFILE or log in with aws configure or aws sso login)"
say "account $account, region $region, repository $repository"

# ECR's own answer names the registry's host, whose domain differs between AWS's partitions.
describe() {
  aws ecr describe-repositories --repository-names "$repository" --output text \
    --query "repositories[0].[repositoryUri, imageTagMutability, join(',', imageTagMutabilityExclusionFilters[].filter || \`[]\`)]" \
    2>"$complaint"
}
if ! described=$(describe); then
  case $(reason) in
    *RepositoryNotFoundException*) ;;
    *) die "cannot look for the repository $repository: $(reason)" ;;
  esac
  say "making the repository $repository (scan on push, immutable tags)"
  mutability=(--image-tag-mutability IMMUTABLE)
  [ -z "$latest" ] ||
    mutability=(--image-tag-mutability IMMUTABLE_WITH_EXCLUSION
      --image-tag-mutability-exclusion-filters 'filterType=WILDCARD,filter=latest*')
  aws ecr create-repository --repository-name "$repository" "${mutability[@]}" \
    --image-scanning-configuration scanOnPush=true >/dev/null 2>"$complaint" ||
    die "cannot make the repository $repository: $(reason)"
  described=$(describe) || die "cannot look for the repository $repository: $(reason)"
fi
read -r uri mutable exclusions <<<"$described"
registry=${ECR_REGISTRY:-${uri%%/*}}
image=$registry/$repository:$tag

if [ -n "$latest" ]; then
  case $mutable:$exclusions in
    MUTABLE* | IMMUTABLE_WITH_EXCLUSION:*latest*) ;;
    *) die "the repository $repository never lets a tag move, so --latest would work only once; let that one tag move: aws ecr put-image-tag-mutability --region $region --repository-name $repository --image-tag-mutability IMMUTABLE_WITH_EXCLUSION --image-tag-mutability-exclusion-filters 'filterType=WILDCARD,filter=latest*'" ;;
  esac
fi

# --- Log in ----------------------------------------------------------------------------------
token=$(aws ecr get-login-password 2>"$complaint") || die "ECR gives no login: $(reason)"
if ! printf '%s' "$token" | docker login --username AWS --password-stdin "$registry" >"$complaint" 2>&1; then
  case $(reason) in
    # Amazon's credential helper logs in by itself, at each pull and push, and stores nothing.
    *'not implemented'*) ;;
    *) die "cannot log in to $registry: $(grep -v WARNING "$complaint" | tail -n 1)" ;;
  esac
fi
unset token

# --- Build and push --------------------------------------------------------------------------
# A registry on this machine speaks plain HTTP.
insecure=''
case $registry in
  127.* | localhost | localhost:*) insecure=--insecure ;;
esac
manifest() {
  # shellcheck disable=SC2086 # empty means no argument
  docker manifest inspect $insecure "$1" 2>"$complaint"
}
push() {
  docker push "$1" >&2 || die "the push of $1 failed; the reason is above"
}

if manifest "$image" >/dev/null; then
  [ -z "$dirty" ] ||
    die "$image is already there, made of an earlier state of this uncommitted tree; commit your changes, or name the image with --tag"
  say "$image is already there; nothing to build"
  if [ -n "$latest" ]; then
    docker pull --quiet --platform "$platform" "$image" >&2 || die "cannot pull $image to tag it $latest"
  fi
else
  case $(reason) in
    *'no such manifest'* | *'manifest unknown'* | *'not found'*) ;;
    *) die "cannot ask $registry for $image: $(reason)" ;;
  esac
  container/build.sh "$image" --platform "$platform" --accelerator "$accelerator"
  push "$image"

  pushed=$(manifest "$image") || die "pushed $image, but $registry does not show it: $(reason)"
  media_type=$(printf '%s\n' "$pushed" | sed -n 's/.*"mediaType": *"\([^"]*\)".*/\1/p' | head -n 1)
  case $media_type in
    application/vnd.docker.distribution.manifest.v2+json) ;;
    application/vnd.oci.image.manifest.v1+json)
      say "warning: pushed as $media_type, which SageMaker's CreateModel has refused; if it does, turn containerd's image store off in Docker's settings and push again with --tag"
      ;;
    *)
      die "$image was pushed as ${media_type:-an unknown type}, and SageMaker takes only a single image; update Docker or turn containerd's image store off in its settings, delete the tag (aws ecr batch-delete-image --region $region --repository-name $repository --image-ids imageTag=$tag) and run this again"
      ;;
  esac
fi

if [ -n "$latest" ]; then
  docker tag "$image" "${image%:*}:$latest"
  push "${image%:*}:$latest"
fi

printf 'IMAGE_URI=%s\n' "$image"
