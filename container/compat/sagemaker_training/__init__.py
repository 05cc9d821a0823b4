"""The names that training scripts import from AWS's SageMaker training toolkit."""

from sagemaker_training.absent import absent

IN_PLACE = "train runs the script itself; a script starts no trainer and no runner"

__getattr__ = absent(
    __name__,
    {
        "cli": "the image's own command is train",
        "intermediate_output": "write to /opt/ml/output/data, or upload with boto3",
        "mpi": "hosts train together through sagemaker_xgboost_container.distributed.rabit_run",
        "process": IN_PLACE,
        "pytorch_xla": "the image has no PyTorch",
        "runner": IN_PLACE,
        "smdataparallel": "the image has no PyTorch",
        "timeout": "use subprocess.run(..., timeout=...), or a limit of the library",
        "torch_distributed": "the image has no PyTorch",
        "trainer": IN_PLACE,
    },
)
