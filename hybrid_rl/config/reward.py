"""The group `reward`: by which verifier a solution is judged, within which limits, and what it earns.

A verifier of your own is named by its dotted path, `module.name`. A plain function `verify(answer: str, text: str)` is
enough to train; what else it names is a column of the row, and one written for TRL works as it is
(`verification/functions.py`). `verification.verifier.Verifier` says what an object has instead, or a class that makes
one when it is called without arguments.
"""

from pydantic import Field, field_validator

from hybrid_rl.types import Section, refuse

BUILT_IN_VERIFIERS = ("exact", "numeric", "symbolic", "roles", "reasoning_gym")


class RewardSettings(Section):
    name: str
    verifier: str
    """`exact`, `numeric`, `symbolic`, `roles`, `reasoning_gym`, or the dotted path of a function or verifier of yours.

    It is called as `verify(answer: str, text: str)`, or `judge` of a verifier is, with the columns of the row that its
    other parameters name, `prompt` included; or, where one of them is called `completions`, as TRL calls its reward
    functions. It returns whether the text reaches the answer: True, False, a score from 0 to 1 (only 1 is correct;
    `correct` is multiplied by it), or None where it cannot tell.
    """
    as_messages: bool
    """Whether functions in TRL's form get prompts and completions as lists of messages, as most of `trl.rewards` want
    them, also where the prompt of the data is a text; if not, they are texts there, as in TRL."""
    answer_after: str | None
    """Mark before the answer, such as `</think>`: only what follows its last occurrence counts, and all of the text
    where it does not occur; null: all of the text. Not for a verifier of your own, which gets the whole text."""
    unmarked: bool
    """Whether the last number or expression counts where nothing announces the answer (####, \\boxed{}, "the answer
    is"), for `numeric` and `symbolic`; if not, such a solution is unparseable."""
    correct: float
    """Reward of a correct answer; anything else earns 0 for correctness."""
    format: float
    """Reward added when `format_pattern` is found in the solution, correct or not."""
    format_pattern: str | None
    """Regular expression of Python's re, searched in the whole solution; begin it with (?s) to let . match newlines."""
    credit_truncated: bool
    """Whether a solution cut at the length limit may still count as correct; if not, it is counted as truncated."""
    timeout_seconds: float = Field(gt=0)
    """Wall clock of one verification; then its process is killed."""
    memory_mb: int = Field(ge=128)
    """Memory that one verification may take on top of what its process has after its imports (Linux)."""
    workers: int = Field(ge=1)
    """Processes for `symbolic`, `reasoning_gym`, verifiers of yours and format_pattern; others need none."""

    @field_validator("verifier")
    @classmethod
    def _known(cls, verifier: str) -> str:
        parts = verifier.split(".")
        dotted = len(parts) > 1 and all(part.isidentifier() for part in parts)
        if verifier not in BUILT_IN_VERIFIERS and not dotted:
            refuse(
                f"is no verifier; choose from {', '.join(BUILT_IN_VERIFIERS)}, or give the dotted path of a function or"
                " verifier of your own, module.name"
            )
        return verifier
