"""What is on PATH in the image: parse, call, map errors to exit codes; nothing else."""
