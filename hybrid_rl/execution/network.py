"""Whether the hub can be reached at all, found out once: its client would retry for a minute before it says so."""

import socket
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from urllib.parse import urlsplit

from hybrid_rl.config.data import HubSource
from hybrid_rl.config.settings import Settings

_SECONDS = 3.0


def offline_without_hub(settings: Settings, environment: MutableMapping[str, str]) -> str | None:
    """Sets HF_HUB_OFFLINE where the run needs the hub and no connection comes about; returns a line about it.

    It must come before huggingface_hub is imported, which reads the variable once. Behind a proxy nothing is tried.
    """
    if "HF_HUB_OFFLINE" in environment or not needs_hub(settings):
        return None
    if (problem := without_hub(environment)) is None:
        return None
    environment["HF_HUB_OFFLINE"] = "1"
    return (
        f"{problem}; HF_HUB_OFFLINE=1 is set for this run, so only what is in the cache is found; local paths go into"
        " model.path, and into data.train with kind: file"
    )


def without_hub(environment: Mapping[str, str]) -> str | None:
    """Why no connection to the hub comes about, tried for some seconds; None where one does.

    Behind a proxy nothing is tried, and None is returned.
    """
    if any(name.lower() in ("https_proxy", "all_proxy") for name in environment):
        return None
    hub = urlsplit(environment.get("HF_ENDPOINT", "https://huggingface.co"))
    try:
        socket.create_connection((hub.hostname or "", hub.port or 443), _SECONDS).close()
    except OSError as error:
        return f"{hub.hostname} cannot be reached ({error})"
    return None


def needs_hub(settings: Settings) -> bool:
    """Whether a model or a set of questions is named by a hub id."""
    data, model = settings.data, settings.model
    sources = [data.train, data.dev, *data.test.values()]
    named = [model.path, *([] if model.tokenizer is None else [model.tokenizer])]
    local = model.package is not None or all(one == "tiny" or Path(one).is_dir() for one in named)
    return not local or any(isinstance(one, HubSource) for one in sources)
