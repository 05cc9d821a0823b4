"""Train XGBoost on one host or several, as scripts for AWS's XGBoost container do."""

import argparse
import json
import logging
import os

import xgboost as xgb

from sagemaker_containers import entry_point
from sagemaker_xgboost_container import checkpointing, distributed
from sagemaker_xgboost_container.data_utils import get_dmatrix


def fit(params, dtrain, evals, num_boost_round, model_dir, checkpoint_dir, is_master):
    train_args = {
        "params": params,
        "dtrain": dtrain,
        "evals": evals,
        "num_boost_round": num_boost_round,
    }
    if checkpoint_dir:
        booster = checkpointing.train(train_args, checkpoint_dir)
    else:
        booster = xgb.train(**train_args)
    if is_master:
        booster.save_model(os.path.join(model_dir, "xgboost-model"))
        logging.info("saved by %s", os.environ["SM_CURRENT_HOST"])


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    parser = argparse.ArgumentParser()
    parser.add_argument("--max_depth", type=int, default=4)
    parser.add_argument("--num_round", type=int, default=15)
    parser.add_argument("--objective", default="binary:logistic")
    parser.add_argument("--fails-on", default="")
    parser.add_argument("--checkpoint_dir", default="")
    parser.add_argument("--model_dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
    parser.add_argument("--validation", default=os.environ["SM_CHANNEL_VALIDATION"])
    args = parser.parse_args()
    hosts = json.loads(os.environ["SM_HOSTS"])
    host = os.environ["SM_CURRENT_HOST"]

    dtrain = get_dmatrix(args.train, "csv")
    dvalidation = get_dmatrix(args.validation, "csv")
    evals = [(dtrain, "train"), (dvalidation, "validation")]
    fit_args = {
        "params": {"max_depth": args.max_depth, "objective": args.objective},
        "dtrain": dtrain,
        "evals": [(matrix, name) for matrix, name in evals if matrix is not None],
        "num_boost_round": args.num_round,
        "model_dir": args.model_dir,
        "checkpoint_dir": args.checkpoint_dir,
    }
    if host == args.fails_on:
        fit_args["params"]["objective"] = "no:such"
    if len(hosts) > 1:
        entry_point._wait_hostname_resolution()
        distributed.rabit_run(
            exec_fun=fit,
            args=fit_args,
            include_in_training=dtrain is not None,
            hosts=hosts,
            current_host=host,
            update_rabit_args=True,
        )
    else:
        fit(**fit_args, is_master=True)
