"""Notices of other libraries that are silenced: each by name, with the reason why a user cannot act on it.

What the user has set in the environment stays. Loads nothing heavy, for it must come before what it silences.
"""

import logging
import os
import warnings
from functools import partial

ENVIRONMENT = {
    "TRL_EXPERIMENTAL_SILENCE": "1",  # TRL: rollout_func may change; our pins and tests answer for it
    "HF_HUB_DISABLE_TELEMETRY": "1",  # TRL: asks the hub at every start
    "TOKENIZERS_PARALLELISM": "false",  # tokenizers: a warning when verifier processes start after its threads
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",  # datasets: bars for work of milliseconds
}
"""Variables that libraries read when they are imported; the launcher gives them to its workers."""
_WARNINGS = (
    # (category, beginning of the message): why a user cannot act on it
    (FutureWarning, r"`is_gradient_checkpointing` is deprecated"),  # TRL reads it, at every step
    (FutureWarning, r"`gradient_checkpointing_(en|dis)able` is deprecated"),  # TRL and peft call it
    (FutureWarning, r"`torch\.distributed\.\w+_tensor` is deprecated"),  # DeepSpeed calls it
)
_LOG_LINES = {  # logger: beginning of the message, under the reason why a user cannot act on it
    # accelerate reads the same number from DeepSpeed's configuration a moment later.
    "accelerate.accelerator": "[RANK 0] Gradient accumulation steps mismatch",
    # Tied weights are saved once; a resume finds them all the same.
    "transformers.trainer": "There were missing keys in the checkpoint model loaded: ['lm_head.weight']",
}


def quiet_third_parties() -> None:
    """Silence the named notices; to be called before the libraries are imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for category, message in _WARNINGS:
        warnings.filterwarnings("ignore", message=message, category=category)
    for logger, message in _LOG_LINES.items():
        logging.getLogger(logger).addFilter(partial(_unlike, message))


def _unlike(message: str, record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(message)


def quiet_progress_bars() -> None:
    """Switch off the bars of transformers for reading and writing weights; downloads from the hub keep theirs."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, enable_progress_bars  # noqa: PLC0415 - heavy
    from transformers.utils import logging as transformers_logging  # noqa: PLC0415 - heavy

    unwanted = are_progress_bars_disabled()
    transformers_logging.disable_progress_bar()
    if not unwanted:
        enable_progress_bars()
