"""The reference model of KL and divergence: a copy of the weights as loaded, which an update may renew.

A reference that moves is part of every checkpoint; one that stays as loaded is not saved.
"""

import copy
from pathlib import Path
from typing import Any

from safetensors.torch import load_model as load_safetensors
from safetensors.torch import save_model as save_safetensors
from transformers import PreTrainedModel

from hybrid_rl.config.settings import Settings

REFERENCE_FILE = "reference.safetensors"


class Reference:
    """The reference of one run, copied before anything is trained."""

    def __init__(self, model: PreTrainedModel, settings: Settings) -> None:
        # With adapters the base model, its adapters switched off, is the reference: nothing needs a copy.
        needed = settings.has_reference and not hasattr(model, "peft_config")
        self.model: Any = copy.deepcopy(model) if needed else None
        """None: nothing is measured from it, or no copy is needed for that."""
        self._moves = settings.moves_reference and needed

    def renew(self, model: PreTrainedModel) -> None:
        """Takes over the weights that `model` has now, where the reference is one that moves."""
        if self._moves:
            self.model.load_state_dict(model.state_dict())

    def save(self, checkpoint: Path) -> None:
        """Keeps the reference with a checkpoint, where it does not stay as loaded."""
        if self._moves:
            save_safetensors(self.model, str(checkpoint / REFERENCE_FILE))

    def load(self, checkpoint: Path) -> None:
        """Undoes `save`."""
        if self._moves:
            load_safetensors(self.model, checkpoint / REFERENCE_FILE)
