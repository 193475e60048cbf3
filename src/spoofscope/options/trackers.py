"""Programs that show the training curves of many projects, and what is installed for each."""

PACKAGES = {
    "mlflow": "mlflow-skinny==3.17.2",
    "trackio": "trackio==0.43.0",
    "wandb": "wandb==0.31.0",
}
"""Name, also of the module that is imported, to the package: an extra of that name, in no lock."""
