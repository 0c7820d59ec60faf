"""Loads and saves the model and its tokenizer. Token ids and tensors stay with others.

Weights come from safetensors or GGUF files only: pickled weights can run code when they are read.
"""

from pathlib import Path

from safetensors.torch import load_model as load_safetensors
from safetensors.torch import save_model as save_safetensors
from transformers import PreTrainedModel

REFERENCE_FILE = "reference.safetensors"


def renew_reference(reference: PreTrainedModel | None, model: PreTrainedModel) -> None:
    """Give the reference model of the KL the weights that `model` has now; None: there is none."""
    if reference is not None:
        reference.load_state_dict(model.state_dict())


def save_reference(reference: PreTrainedModel | None, checkpoint: Path) -> None:
    """Keep the reference model of the KL with a checkpoint, where it does not stay as loaded; None: it does."""
    if reference is not None:
        save_safetensors(reference, str(checkpoint / REFERENCE_FILE))


def load_reference(reference: PreTrainedModel | None, checkpoint: Path) -> None:
    """Undo `save_reference`."""
    if reference is not None:
        load_safetensors(reference, checkpoint / REFERENCE_FILE)
