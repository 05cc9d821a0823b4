#!/usr/bin/env bash
# Train as SageMaker does, on a folder with the layout of /opt/ml.
set -euo pipefail

USAGE='usage: local_test/train_local.sh DIR [--no-docker]

DIR has the layout of /opt/ml in a SageMaker container:
  DIR/input/data/train/*.csv               the label first, no header (validation/ beside it)
  DIR/input/config/hyperparameters.json    {"num_round": "100", "objective": "binary:logistic"}
The artifact is written to DIR/model, the reason of a failure to DIR/output/failure.'

. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
read_arguments "$@"
[ ${#ARGUMENTS[@]} -eq 1 ] || die "expected one folder"$'\n'"$USAGE"
folder=$(job_folder "${ARGUMENTS[0]}" input/data \
  "name the folder that is laid out as /opt/ml, with DIR/input/data/train/*.csv") || exit 1
choose_engine
set_up
mkdir -p "$folder/model" "$folder/output"
say "Training on $folder/input/data"
if [ "$ENGINE" = docker ]; then
  # As the current user, who then owns the artifact. SageMaker runs the image as root.
  exec docker run --rm --user "$(id -u):$(id -g)" -v "$folder:/opt/ml" "$IMAGE" train
else
  run_package train "$folder"
fi
