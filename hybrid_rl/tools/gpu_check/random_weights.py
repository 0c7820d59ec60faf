"""Saves a larger model of the embedded family with random weights: `... DIRECTORY HIDDEN LAYERS`, a process of its own.

It needs no network, and has the size, though not the knowledge, of a model that somebody would train.
"""

import sys
from pathlib import Path

from hybrid_rl.config import composing
from hybrid_rl.models import loading
from hybrid_rl.tools.bench.workload import random_model


def main() -> None:
    """Saves model and tokenizer."""
    directory, hidden, layers = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    settings = composing.settings_of(["hardware=cpu"], directory.with_name("settings"))
    random_model(loading.load_model(settings.model), hidden, layers).save_pretrained(directory)
    loading.load_tokenizer(settings.model).save_pretrained(directory)


if __name__ == "__main__":
    main()
