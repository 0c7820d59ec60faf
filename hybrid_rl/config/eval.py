"""Types and limits of `eval`: which sets are answered before and after training, and how often each question."""

from pydantic import Field

from hybrid_rl.types import Section


class EvalSettings(Section):
    """The evaluations of a run outside of its training steps."""

    name: str
    sets: list[str]
    """The sets to report: `dev` and names of data.test. Empty: none; eval=quick fills in all of data.test, or dev
    where there is no test set."""
    samples: int = Field(ge=0)
    """Sampled solutions per question, the k of avg@k, maj@k and pass@k; 0: greedy only."""
    dev_samples: int = Field(ge=0)
    """Sampled solutions per question whenever training looks at dev (train.eval_every); 0: greedy only."""
    temperature: float = Field(gt=0)
    """The temperature at which solutions are sampled."""
    top_p: float = Field(gt=0, le=1)
    """The share of probability, of the likeliest tokens, from which is drawn; 1: all."""
    max_completion_tokens: int | None = Field(ge=1)
    """The most tokens of a solution; null: train.max_completion_tokens."""
    limit: int | None = Field(ge=1)
    """Questions per set, the first of a shuffle that depends on the questions alone; null: all."""
    before: bool
    """Whether the untrained model is evaluated too."""
    best: bool
    """Whether the weights that were best on dev are kept as RUN_DIR/best_model, and evaluated beside the last ones."""
    rescore: str | None
    """A run directory whose saved solutions are graded again with task=evaluate; nothing is generated then."""
