"""Hyperparameters of trees, and of the booster."""

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
        description="The method that finds splits; auto is hist; gpu_hist, which XGBoost 3 no "
        "longer has, means hist with device=cuda",
    ),
    Hyperparameter(
        "eta",
        "float",
        UNIT,
        aliases=("learning_rate",),
        default="0.3; 0.5 with gblinear",
        tunable=(0.1, 0.5),
        description="The learning rate: the factor by which each new tree is scaled",
    ),
    Hyperparameter(
        "gamma",
        "float",
        NOT_NEGATIVE,
        aliases=("min_split_loss",),
        default="0",
        tunable=(0, 5),
        description="The least reduction of the loss by a split",
    ),
    Hyperparameter(
        "max_depth",
        "integer",
        NOT_NEGATIVE,
        default="6",
        tunable=(0, 10),
        description="Largest depth of a tree; 0 is no limit, and not possible with exact",
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
        description="The largest absolute value of a leaf; 0 is no limit",
    ),
    Hyperparameter(
        "subsample",
        "float",
        FRACTION,
        default="1",
        tunable=(0.5, 1),
        description="Share of the rows that each tree is trained on",
    ),
    Hyperparameter(
        "sampling_method",
        "category",
        choices=("uniform", "gradient_based"),
        default="uniform",
        description="How the rows of subsample are drawn; exact supports uniform only",
    ),
    Hyperparameter(
        "colsample_bytree",
        "float",
        FRACTION,
        default="1",
        tunable=(0.5, 1),
        description="Share of the columns that each tree uses",
    ),
    Hyperparameter(
        "colsample_bylevel",
        "float",
        FRACTION,
        default="1",
        tunable=(0.1, 1),
        description="Share of the tree's columns that each level of a tree uses",
    ),
    Hyperparameter(
        "colsample_bynode",
        "float",
        FRACTION,
        default="1",
        tunable=(0.1, 1),
        description="Share of the level's columns that each split uses; exact supports 1 only",
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
        description="Weight of the rows with label 1; often the number of rows with label 0 "
        "divided by the number of rows with label 1",
    ),
    Hyperparameter(
        "grow_policy",
        "category",
        choices=("depthwise", "lossguide"),
        default="depthwise",
        description="depthwise: split level by level; lossguide: split first where the loss is "
        "reduced most; not with exact",
    ),
    Hyperparameter(
        "max_leaves",
        "integer",
        NOT_NEGATIVE,
        default="0",
        description="Largest number of leaves of a tree; 0 is no limit; not with exact",
    ),
    Hyperparameter(
        "max_bin",
        "integer",
        Interval(2),
        default="256",
        description="Largest number of bins of each feature, for hist and approx",
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
        description="The direction in which each feature may change the prediction: (1,0,-1), one "
        'entry for each column, or {"age": 1} where columns have names',
    ),
    Hyperparameter(
        "interaction_constraints",
        "interaction",
        reader=interaction,
        default="none",
        description="Groups of columns that may be used together in one branch: [[0,1],[2,3]], "
        "numbered from 0, or lists of names",
    ),
    Hyperparameter(
        "max_cat_to_onehot",
        "integer",
        COUNT,
        default="4",
        used_with=CATEGORIES,
        description="A feature with fewer categories is split into one category and all others",
    ),
    Hyperparameter(
        "max_cat_threshold",
        "integer",
        COUNT,
        default="64",
        used_with=CATEGORIES,
        description="Largest number of categories that a split considers",
    ),
    Hyperparameter(
        "multi_strategy",
        "category",
        choices=("one_output_per_tree", "multi_output_tree"),
        default="one_output_per_tree",
        description="One tree for each class, or one tree for all classes; multi_output_tree needs "
        "hist, and does not support dart, constraints and categories",
    ),
    Hyperparameter(
        "max_cached_hist_node",
        "integer",
        COUNT,
        default="no limit",
        description="Largest number of nodes whose histograms are cached, for hist and approx; a "
        "smaller number takes less memory",
    ),
    Hyperparameter(
        "process_type",
        "category",
        choices=("default", "update"),
        default="default",
        description="Grow new trees, or update the trees of the checkpoint from which the job "
        "resumes; update needs updater",
    ),
    Hyperparameter(
        "updater",
        "choices",
        choices=(*GROWERS, "sync", *UPDATE_PLUGINS, *LINEAR_UPDATERS, *REMOVED_GROWERS),
        default="by tree_method; shotgun with gblinear",
        description="The updaters that build a tree, or the updater that fits a linear model; "
        + ", ".join(REMOVED_GROWERS)
        + " are ignored, as XGBoost 3 no longer has them",
    ),
    Hyperparameter(
        "refresh_leaf",
        "integer",
        UNIT,
        default="1",
        description="1: the updater refresh also changes the values of the leaves",
    ),
)
