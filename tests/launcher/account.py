"""The AWS account of the launcher's tests: names, and the SDK's configuration file."""

from __future__ import annotations

REGION = "eu-west-1"
BUCKET = "bucket-of-the-config-file"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-tabular:1.0"
ROLE = "arn:aws:iam::123456789012:role/given"
CONFIG_ROLE = "arn:aws:iam::123456789012:role/role-of-the-config-file"
CONFIG = f"""
SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      Session:
        DefaultS3Bucket: {BUCKET}
  TrainingJob:
    RoleArn: {CONFIG_ROLE}
    VpcConfig:
      Subnets: [subnet-1]
      SecurityGroupIds: [sg-1]
    Tags:
      - Key: team
        Value: churn
  Model:
    ExecutionRoleArn: {CONFIG_ROLE}
"""
