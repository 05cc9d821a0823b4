"""Hyperparameters of the job: its rounds, its data, its hosts, and what XGBoost has dropped."""

from __future__ import annotations

from tabular.contract.interval import COUNT, UNIT, Interval
from tabular.training.hyperparameters.kinds import Hyperparameter
from tabular.training.hyperparameters.shared import CSV_WEIGHTS, FEATURES, SEED, TARGET, WEIGHT

JOB = (
    Hyperparameter(
        "num_round",
        "integer",
        COUNT,
        required=True,
        passed=False,
        tunable=(1, 4000),
        description="How many rounds to train; each adds one tree, or one for each class",
    ),
    Hyperparameter(
        "early_stopping_rounds",
        "integer",
        COUNT,
        passed=False,
        default="no early stopping",
        description="Stop when the metric on the validation channel has not improved for so many "
        "rounds, and keep the best round",
    ),
    Hyperparameter(
        "save_model_on_termination",
        "category",
        choices=("true", "false"),
        passed=False,
        default="false",
        description="On SIGTERM (StopTrainingJob, spot interruption) save the model trained so "
        "far, and end the job well",
    ),
    Hyperparameter(
        "checkpoint_interval",
        "integer",
        COUNT,
        passed=False,
        default="1",
        description="Rounds between two checkpoints, where the job has a checkpoint folder",
    ),
    Hyperparameter(
        "_kfold",
        "integer",
        Interval(2),
        passed=False,
        default="no cross-validation",
        description="Cross-validate with so many folds, and save one model for each",
    ),
    Hyperparameter(
        "_num_cv_round",
        "integer",
        COUNT,
        passed=False,
        default="1",
        used_with={"_kfold": "2"},
        description="How often to repeat the cross-validation, with other folds each time",
    ),
    Hyperparameter(
        "_tuning_objective_metric",
        "list",
        passed=False,
        default="none",
        description="The metric that the tuner watches, as validation:auc; SageMaker's tuner sets "
        "it, and it is evaluated with those of eval_metric",
    ),
    SEED,
    Hyperparameter(
        "seed_per_iteration",
        "switch",
        default="false",
        description="Seed the random numbers anew in each round, from the round's number",
    ),
    Hyperparameter(
        "nthread",
        "integer",
        COUNT,
        aliases=("n_jobs",),
        default="the processors of the container",
        description="Threads",
    ),
    Hyperparameter(
        "verbosity",
        "integer",
        Interval(0, 3, high_open=False),
        default="1",
        description="How much XGBoost writes to the log: 0 nothing, 1 warnings, 2 more, 3 all",
    ),
    Hyperparameter(
        "validate_parameters",
        "switch",
        default="true",
        description="Let XGBoost warn of hyperparameters that have no effect",
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
        description="Name of the column with the query that a row belongs to, for ranking",
    ),
    FEATURES,
    Hyperparameter(
        "feature_types",
        "choices",
        layout="feature_types",
        choices=("q", "c", "int", "float", "i"),
        passed=False,
        default="numbers",
        description="The type of each feature: c is a category, q a number (int, float and i are "
        "numbers too, and only shown differently in a dump of the trees)",
    ),
    Hyperparameter(
        "enable_categorical",
        "switch",
        layout="categorical",
        passed=False,
        default="false; true where feature_types has a c",
        description="Take columns of text for categories",
    ),
)

HOSTS = (
    Hyperparameter(
        "cluster_timeout",
        "integer",
        Interval(1, 86400, high_open=False),
        passed=False,
        default="3600",
        description="Seconds that hosts wait for one that is late; one that is silent for so long "
        "(from 15 s to 600 s) is taken for dead",
    ),
    Hyperparameter(
        "device",
        "device",
        default="cpu; cuda with tree_method=gpu_hist",
        description="Where to train: cpu, cuda (or gpu, which is the same), or cuda:N for GPU N",
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
        removed="ignored: max_bin says how many bins there are",
    ),
    Hyperparameter(
        "dsplit",
        "category",
        choices=("row", "col"),
        passed=False,
        description="How data is split over hosts",
        removed="ignored: each host has rows",
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
        description="Whether the histograms of a GPU are the same in each run",
        removed="ignored: they always are",
    ),
    Hyperparameter(
        "prob_buffer_row",
        "integer",
        Interval(1, low_open=True),
        passed=False,
        description="A setting of a tree builder that is gone",
        removed="ignored",
    ),
    Hyperparameter(
        "use_dask_gpu_training",
        "category",
        choices=("true", "false"),
        passed=False,
        description="Train on several GPUs with Dask",
        removed="true means device=cuda, unless device is given; GPUs work without Dask here",
    ),
)
