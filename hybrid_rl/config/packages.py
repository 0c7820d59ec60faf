"""The command that brings a package which is missing, in the words of a message.

What a plain install brings is named by itself: it is missing only where somebody took it out, or installed without it.
Everything else belongs to an extra of ours. tests/test_dependencies.py compares both with pyproject.toml.
"""

PLAIN = frozenset({"deepspeed", "gguf", "peft", "wandb"})
"""Packages of a plain install that are imported only where they are used, on Linux; DeepSpeed on no other system."""

FOREIGN = frozenset({"flash_attn"})
"""Packages that no extra brings, since they are built for one machine."""


def install(package: str) -> str:
    """The command that installs a package, named as it is imported or as its extra is."""
    return (
        f"pip install {package.replace('_', '-')}"
        if package in PLAIN | FOREIGN
        else f"pip install 'hybrid-rl[{package}]'"
    )
