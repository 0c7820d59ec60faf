"""SASR (2025, arXiv 2505.13026), step-wise adaptive SFT and RL: a drawn choice at every step.

Training opens with a short SFT warm-up whose gradient norm becomes the reference. From then on
every optimizer step is SFT with probability p = G_last / (G_last + gamma * G_warmup) and GRPO
otherwise, G_last being the norm of the latest SFT gradient. As the policy nears the demonstrations
that norm shrinks and RL takes over; when RL drifts away, SFT returns.

This is a reconstruction: no source states the exact p, gamma or the length of the warm-up, and
there is no code. Where we had to choose:

- p is the plain ratio; a sigmoid of it, seen in one summary, could never fall below one half.
- G_warmup is the mean norm of the last `reference_steps` warm-up updates, G_last one norm.
- Norms are global, of the token-mean loss, and before clipping: after it both would saturate.
- One optimizer serves both kinds. The warm-up has a learning-rate schedule of its own, the hybrid
  phase one over both kinds, whose SFT updates take the rate of RL or their own (`sft_schedule`).
- Divergence from the initial distribution does not enter p. It is the KL term of the RL loss
  (`train.rl.beta`), and the reference is the model at the end of the warm-up.
- An RL step without signal (every group uniform) stays an RL step.
"""


def count_or_share(value: int | float) -> int | float:
    """`value` itself; raises ValueError for a fractional number of steps."""
    if isinstance(value, float) and value >= 1:
        raise ValueError(f"{value} is neither a whole number of steps nor a share below 1")
    return value


def warmup_length(warmup_steps: int | float, steps: int) -> int:
    """Warm-up updates in a run of `steps`: a count as it is; a share rounded, at least one; 0 is 0.

    Raises ValueError when no step would be left after the warm-up.
    """
    length = max(1, round(warmup_steps * steps)) if 0 < warmup_steps < 1 else int(warmup_steps)
    if length >= steps:
        raise ValueError(
            f"method.warmup_steps = {warmup_steps}: a warm-up of {length} leaves none of the "
            f"{steps} steps of train.steps; lower the one or raise the other"
        )
    return length
