"""hybrid_rl: compare recipes that mix supervised fine-tuning and reinforcement learning."""

__version__ = "0.1.0"
