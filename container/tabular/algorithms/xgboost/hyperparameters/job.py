"""Hyperparameters of rounds, data and hosts, and those that XGBoost has removed."""

from __future__ import annotations

from tabular.contract.interval import COUNT, UNIT, Interval
from tabular.training.hyperparameters.kinds import Hyperparameter
from tabular.training.hyperparameters.shared import (
    CSV_WEIGHTS,
    FEATURES,
    SEED,
    TARGET,
    VALIDATION_FRACTION,
    VALUES,
    WEIGHT,
)

JOB = (
    Hyperparameter(
        "num_round",
        "integer",
        COUNT,
        required=True,
        passed=False,
        tunable=(1, 4000),
        description="Number of rounds; each round adds one tree, or one tree for each class",
    ),
    Hyperparameter(
        "early_stopping_rounds",
        "integer",
        COUNT,
        passed=False,
        default="no early stopping",
        description="Stop when the metric of the validation rows has not improved for this many "
        "rounds, and keep the model of the best round",
    ),
    Hyperparameter(
        "save_model_on_termination",
        "category",
        choices=("true", "false"),
        passed=False,
        default="false",
        description="On SIGTERM (StopTrainingJob, spot interruption), save the model trained so "
        "far, and end the job successfully",
    ),
    Hyperparameter(
        "checkpoint_interval",
        "integer",
        COUNT,
        passed=False,
        default="1",
        description="Rounds between two checkpoints, if the job has a checkpoint folder",
    ),
    Hyperparameter(
        "_kfold",
        "integer",
        Interval(2),
        passed=False,
        default="no cross-validation",
        description="Cross-validate with this many folds, and save one model for each fold",
    ),
    Hyperparameter(
        "_num_cv_round",
        "integer",
        COUNT,
        passed=False,
        default="1",
        used_with={"_kfold": "2"},
        description="Number of repetitions of the cross-validation, each with different folds",
    ),
    Hyperparameter(
        "_tuning_objective_metric",
        "list",
        passed=False,
        default="none",
        description="The metric of the tuner, such as validation:auc; SageMaker's tuner sets it; "
        "the metric is evaluated in addition to eval_metric",
    ),
    SEED,
    Hyperparameter(
        "seed_per_iteration",
        "switch",
        default="false",
        description="Seed the random numbers in each round with the number of the round",
    ),
    Hyperparameter(
        "nthread",
        "integer",
        COUNT,
        aliases=("n_jobs",),
        default="the processors of the container",
        description="Number of threads",
    ),
    Hyperparameter(
        "verbosity",
        "integer",
        Interval(0, 3, high_open=False),
        default="1",
        description="How much XGBoost writes to the log: 0 nothing, 1 warnings, 2 information, "
        "3 debugging",
    ),
    Hyperparameter(
        "validate_parameters",
        "switch",
        default="true",
        description="Whether XGBoost warns of hyperparameters that have no effect",
    ),
)

DATA = (
    CSV_WEIGHTS,
    TARGET,
    WEIGHT,
    Hyperparameter(
        "group",
        "name",
        layout="group",
        passed=False,
        default="no groups",
        description="Name of the column with the query of each row, for ranking",
    ),
    FEATURES,
    VALIDATION_FRACTION,
    *VALUES,
    Hyperparameter(
        "feature_types",
        "choices",
        layout="feature_types",
        choices=("q", "c", "int", "float", "i"),
        passed=False,
        default="numbers",
        description="The type of each feature: c is a category, q a number (int, float and i are "
        "numbers too, and only a dump of the trees shows the difference)",
    ),
    Hyperparameter(
        "enable_categorical",
        "switch",
        layout="categorical",
        passed=False,
        default="false; true where feature_types has a c",
        description="Whether columns of text are categories",
    ),
)

HOSTS = (
    Hyperparameter(
        "cluster_timeout",
        "integer",
        Interval(1, 86400, high_open=False),
        passed=False,
        default="3600",
        description="Seconds to wait for a host that is late; a host that sends nothing for "
        "this long (at least 15 s, at most 600 s) counts as dead",
    ),
    Hyperparameter(
        "device",
        "device",
        default="cpu; cuda with tree_method=gpu_hist",
        description="Where to train: cpu, cuda (or gpu, which means the same), or cuda:N for GPU N",
    ),
)

REMOVED = (
    Hyperparameter(
        "predictor",
        "category",
        choices=("auto", "cpu_predictor", "gpu_predictor"),
        passed=False,
        description="Where to predict",
        removed="ignored: prediction follows device",
    ),
    Hyperparameter(
        "sketch_eps",
        "float",
        Interval(0, 1, low_open=True),
        passed=False,
        description="Precision of the histograms",
        removed="ignored: max_bin sets the number of bins",
    ),
    Hyperparameter(
        "dsplit",
        "category",
        choices=("row", "col"),
        passed=False,
        description="How data is distributed over hosts",
        removed="ignored: data is distributed by row",
    ),
    Hyperparameter(
        "lambda_bias",
        "float",
        UNIT,
        passed=False,
        description="L2 regularization of the bias of a linear model",
        removed="ignored",
    ),
    Hyperparameter(
        "deterministic_histogram",
        "category",
        choices=("true", "false"),
        passed=False,
        description="Whether histograms on a GPU are deterministic",
        removed="ignored: they always are",
    ),
    Hyperparameter(
        "prob_buffer_row",
        "integer",
        Interval(1, low_open=True),
        passed=False,
        description="A setting of a tree builder that XGBoost has removed",
        removed="ignored",
    ),
    Hyperparameter(
        "use_dask_gpu_training",
        "category",
        choices=("true", "false"),
        passed=False,
        description="Train on several GPUs with Dask",
        removed="true means device=cuda, unless device is given; GPUs are used without Dask",
    ),
)
