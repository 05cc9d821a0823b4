"""The ``SM_*`` variable for each attribute of ``Environment``: plain text, or JSON."""

TEXT = {
    "current_host": "SM_CURRENT_HOST",
    "current_instance_group": "SM_CURRENT_INSTANCE_GROUP",
    "current_instance_type": "SM_CURRENT_INSTANCE_TYPE",
    "framework_module": "SM_FRAMEWORK_MODULE",
    "input_config_dir": "SM_INPUT_CONFIG_DIR",
    "input_dir": "SM_INPUT_DIR",
    "model_dir": "SM_MODEL_DIR",
    "module_dir": "SM_MODULE_DIR",
    "module_name": "SM_MODULE_NAME",
    "network_interface_name": "SM_NETWORK_INTERFACE_NAME",
    "output_data_dir": "SM_OUTPUT_DATA_DIR",
    "output_dir": "SM_OUTPUT_DIR",
    "output_intermediate_dir": "SM_OUTPUT_INTERMEDIATE_DIR",
    "user_entry_point": "SM_USER_ENTRY_POINT",
}
JSON = {
    "additional_framework_parameters": "SM_FRAMEWORK_PARAMS",
    "current_instance_group_hosts": "SM_CURRENT_INSTANCE_GROUP_HOSTS",
    "distribution_instance_groups": "SM_DISTRIBUTION_INSTANCE_GROUPS",
    "hosts": "SM_HOSTS",
    "hyperparameters": "SM_HPS",
    "input_data_config": "SM_INPUT_DATA_CONFIG",
    "instance_groups": "SM_INSTANCE_GROUPS",
    "instance_groups_dict": "SM_INSTANCE_GROUPS_DICT",
    "is_hetero": "SM_IS_HETERO",
    "log_level": "SM_LOG_LEVEL",
    "num_cpus": "SM_NUM_CPUS",
    "num_gpus": "SM_NUM_GPUS",
    "num_neurons": "SM_NUM_NEURONS",
    "resource_config": "SM_RESOURCE_CONFIG",
}
