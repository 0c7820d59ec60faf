"""Types and limits of every setting; the values live in conf/. Loads no torch.

`loading.load` turns what Hydra composed into one frozen `Settings`; `rules` joins settings of different groups.
"""

from pydantic import Field

from hybrid_rl.types import Section


class EvalSettings(Section):
    name: str
    sets: list[str]
    """`dev` and names of data.test; reported before and after training. Empty: none; eval=quick fills in data.test."""
    samples: int = Field(ge=0)
    """Sampled solutions per question (avg@k, maj@k, pass@k); 0: greedy only."""
    temperature: float = Field(gt=0)
    top_p: float = Field(gt=0, le=1)
    max_completion_tokens: int | None = Field(ge=1)
    """null: that of training."""
    limit: int | None = Field(ge=1)
    """Questions per set, the first of a shuffle that depends on the questions alone; null: all."""
    before: bool
    """Evaluate the untrained model too."""
    best: bool
    """Keep the weights that were best on dev as RUN_DIR/best_model, and evaluate them too, beside the last ones."""
    rescore: str | None
    """With task=evaluate: a run directory whose saved generations are graded again; nothing is generated."""
