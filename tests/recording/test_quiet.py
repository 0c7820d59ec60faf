"""What other libraries are kept from saying, and what they may still say."""

import os
import subprocess
import sys
import warnings

import pytest

from hybrid_rl.recording import quiet


def test_only_named_warnings_are_silenced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"TOKENIZERS_PARALLELISM": "true"})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quiet.quiet_third_parties()
        warnings.warn(
            "`is_gradient_checkpointing` is deprecated and will be removed",
            FutureWarning,
            stacklevel=1,
        )
        warnings.warn("something else is deprecated", FutureWarning, stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["something else is deprecated"]
    assert os.environ["TOKENIZERS_PARALLELISM"] == "true"
    assert os.environ["TRL_EXPERIMENTAL_SILENCE"] == "1"


@pytest.mark.slow
def test_bars_of_weights_go_and_downloads_keep_theirs() -> None:
    code = (
        "from hybrid_rl.recording import quiet; quiet.quiet_progress_bars();"
        "from transformers.utils import logging; from huggingface_hub.utils import are_progress_bars_disabled;"
        "print(logging.is_progress_bar_enabled(), are_progress_bars_disabled())"
    )
    environment = {
        name: value for name, value in os.environ.items() if name != "HF_HUB_DISABLE_PROGRESS_BARS"
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "False False\n"
