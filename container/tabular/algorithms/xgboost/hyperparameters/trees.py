"""Hyperparameters of trees, and which booster there is."""

from __future__ import annotations

from tabular.algorithms.xgboost.hyperparameters.by_objective import default_of, used_with
from tabular.algorithms.xgboost.hyperparameters.constraints import interaction, monotone
from tabular.contract.interval import COUNT, FRACTION, NOT_NEGATIVE, POSITIVE, UNIT, Interval
from tabular.training.hyperparameters.kinds import Hyperparameter

GROWERS = (
    "grow_colmaker",
    "grow_histmaker",
    "grow_quantile_histmaker",
    "grow_gpu_hist",
    "grow_gpu_approx",
)
REMOVED_GROWERS = ("distcol", "grow_local_histmaker", "grow_skmaker")
UPDATE_PLUGINS = ("refresh", "prune")
LINEAR_UPDATERS = ("shotgun", "coord_descent")
CATEGORIES = {"enable_categorical": "true"}

TREES = (
    Hyperparameter(
        "booster",
        "category",
        choices=("gbtree", "gblinear", "dart"),
        default="gbtree",
        description="Trees, a linear model, or trees with dropout",
    ),
    Hyperparameter(
        "tree_method",
        "category",
        choices=("auto", "exact", "approx", "hist", "gpu_hist"),
        default="auto",
        description="How splits are found; auto is hist, and gpu_hist, which XGBoost 3 has no "
        "longer, means hist with device=cuda",
    ),
    Hyperparameter(
        "eta",
        "float",
        UNIT,
        aliases=("learning_rate",),
        default="0.3; 0.5 with gblinear",
        tunable=(0.1, 0.5),
        description="How much of each new tree is taken",
    ),
    Hyperparameter(
        "gamma",
        "float",
        NOT_NEGATIVE,
        aliases=("min_split_loss",),
        default="0",
        tunable=(0, 5),
        description="How much a split must lower the loss",
    ),
    Hyperparameter(
        "max_depth",
        "integer",
        NOT_NEGATIVE,
        default="6",
        tunable=(0, 10),
        description="Depth of a tree; 0 is no limit, which exact does not have",
    ),
    Hyperparameter(
        "min_child_weight",
        "float",
        NOT_NEGATIVE,
        default="1",
        tunable=(0, 120),
        description="The least sum of weights (hessians) in a leaf",
    ),
    Hyperparameter(
        "max_delta_step",
        "float",
        NOT_NEGATIVE,
        default=default_of("max_delta_step", "0"),
        tunable=(0, 10),
        description="The largest value of a leaf; 0 is no limit",
    ),
    Hyperparameter(
        "subsample",
        "float",
        FRACTION,
        default="1",
        tunable=(0.5, 1),
        description="Share of the rows that each tree sees",
    ),
    Hyperparameter(
        "sampling_method",
        "category",
        choices=("uniform", "gradient_based"),
        default="uniform",
        description="How these rows are drawn; exact has uniform only",
    ),
    Hyperparameter(
        "colsample_bytree",
        "float",
        FRACTION,
        default="1",
        tunable=(0.5, 1),
        description="Share of the columns that each tree sees",
    ),
    Hyperparameter(
        "colsample_bylevel",
        "float",
        FRACTION,
        default="1",
        tunable=(0.1, 1),
        description="Share of those columns that each level of a tree sees",
    ),
    Hyperparameter(
        "colsample_bynode",
        "float",
        FRACTION,
        default="1",
        tunable=(0.1, 1),
        description="Share of those columns that each split sees; exact has 1 only",
    ),
    Hyperparameter(
        "lambda",
        "float",
        NOT_NEGATIVE,
        aliases=("reg_lambda",),
        default="1; 0 with gblinear",
        tunable=(0, 1000),
        description="L2 regularization",
    ),
    Hyperparameter(
        "alpha",
        "float",
        NOT_NEGATIVE,
        aliases=("reg_alpha",),
        default="0",
        tunable=(0, 1000),
        description="L1 regularization",
    ),
    Hyperparameter(
        "scale_pos_weight",
        "float",
        POSITIVE,
        default="1",
        used_with=used_with("scale_pos_weight"),
        description="Weight of the rows with label 1; often the number of rows with label 0 by "
        "that of rows with label 1",
    ),
    Hyperparameter(
        "grow_policy",
        "category",
        choices=("depthwise", "lossguide"),
        default="depthwise",
        description="Split level by level, or where the loss falls most; not with exact",
    ),
    Hyperparameter(
        "max_leaves",
        "integer",
        NOT_NEGATIVE,
        default="0",
        description="Leaves of a tree; 0 is no limit; not with exact",
    ),
    Hyperparameter(
        "max_bin",
        "integer",
        Interval(2),
        default="256",
        description="Bins of a histogram, for hist and approx",
    ),
    Hyperparameter(
        "num_parallel_tree",
        "integer",
        COUNT,
        default="1",
        description="Trees in each round; more than 1 makes a boosted random forest",
    ),
    Hyperparameter(
        "monotone_constraints",
        "monotone",
        reader=monotone,
        default="none",
        description="Which way each feature may push: (1,0,-1), one entry for each column, or "
        '{"age": 1} where columns have names',
    ),
    Hyperparameter(
        "interaction_constraints",
        "interaction",
        reader=interaction,
        default="none",
        description="Which columns may share a branch: [[0,1],[2,3]], numbered from 0, or lists of "
        "names",
    ),
    Hyperparameter(
        "max_cat_to_onehot",
        "integer",
        COUNT,
        default="4",
        used_with=CATEGORIES,
        description="Features with fewer categories are split one category against the others",
    ),
    Hyperparameter(
        "max_cat_threshold",
        "integer",
        COUNT,
        default="64",
        used_with=CATEGORIES,
        description="How many categories of a feature a split looks at",
    ),
    Hyperparameter(
        "multi_strategy",
        "category",
        choices=("one_output_per_tree", "multi_output_tree"),
        default="one_output_per_tree",
        description="One tree for each class, or one for all; the latter with hist only, and "
        "without dart, constraints and categories",
    ),
    Hyperparameter(
        "max_cached_hist_node",
        "integer",
        COUNT,
        default="no limit",
        description="Histograms of how many nodes are kept; fewer take less memory, for hist and "
        "approx",
    ),
    Hyperparameter(
        "process_type",
        "category",
        choices=("default", "update"),
        default="default",
        description="Grow new trees, or update those there are, which only a job has that goes on "
        "from a checkpoint; update needs updater",
    ),
    Hyperparameter(
        "updater",
        "choices",
        choices=(*GROWERS, "sync", *UPDATE_PLUGINS, *LINEAR_UPDATERS, *REMOVED_GROWERS),
        default="by tree_method; shotgun with gblinear",
        description="The steps that build a tree, or the one that fits a linear model; "
        + ", ".join(REMOVED_GROWERS)
        + " are ignored, since XGBoost 3 has them no longer",
    ),
    Hyperparameter(
        "refresh_leaf",
        "integer",
        UNIT,
        default="1",
        description="1: the updater refresh also changes the values of the leaves",
    ),
)
