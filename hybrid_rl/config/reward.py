"""The group `reward`: by which verifier a solution is judged, within which limits, and what it earns.

The reward is `correct` times the verifier's score, plus for each of `terms` its weight times its own score. The
verifier alone says what is right or wrong; terms change rewards, and no verdict.

A verifier of your own is named by its dotted path, `module.name`. A plain function `verify(answer: str, text: str)` is
enough to train; what else it names is a column of the row, and one written for TRL works as it is
(`verification/functions.py`). `verification.verifier.Verifier` says what an object has instead, or a class that makes
one when it is called without arguments.
"""

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from hybrid_rl.types import Section, refuse

BUILT_IN_VERIFIERS = ("exact", "numeric", "symbolic", "roles", "reasoning_gym")


def _found(verifier: str | None) -> str | None:
    if verifier is None or verifier in BUILT_IN_VERIFIERS:
        return verifier
    parts = verifier.split(".")
    if len(parts) == 1 or not all(part.isidentifier() for part in parts):
        refuse(
            f"is no verifier; choose from {', '.join(BUILT_IN_VERIFIERS)}, or give the dotted path of a function or"
            " verifier of your own, module.name"
        )
    return verifier


class RewardTerm(Section):
    """A part of the reward beside the verdict: a weight, and one of the others, which gives its score."""

    weight: float
    """What the score is multiplied by; the products of all terms are added to the reward."""
    verifier: Annotated[str | None, AfterValidator(_found)] = None
    """A verifier as of `reward.verifier`: its score, from 0 to 1, with the same `answer_after` and `unmarked`."""
    function: str | None = None
    """The dotted path of a function of yours, in any form that `reward.verifier` may have: its score is any
    number; None is 0."""
    pattern: str | None = None
    """A regular expression of Python's re: 1 where it is found in the solution, else 0; begin it with (?s) to let .
    match newlines."""
    length: tuple[int, int] | None = None
    """Two numbers of tokens: 0 up to the first, falling to -1 at the second, such as train.max_completion_tokens, and
    -1 beyond (arXiv 2503.14476, section 3.4). The tokens of the solution count, an expert prefix included."""

    @field_validator("function")
    @classmethod
    def _dotted(cls, function: str | None) -> str | None:
        if function is not None and _found(function) in BUILT_IN_VERIFIERS:
            refuse(f"is a verifier; give verifier: {function} instead")
        return function

    @field_validator("length")
    @classmethod
    def _increasing(cls, length: tuple[int, int] | None) -> tuple[int, int] | None:
        if length is not None and not 0 <= length[0] < length[1]:
            refuse("must be two increasing numbers of tokens from 0; give such as [48, 64]")
        return length

    @model_validator(mode="after")
    def _one_score(self) -> "RewardTerm":
        given = [key for key, one in self if key != "weight" and one is not None]
        if len(given) != 1:
            kinds = [key for key in type(self).model_fields if key != "weight"]
            refuse(f"gives {' and '.join(given) or 'no score'}; give one of {', '.join(kinds)}")
        return self


class RewardSettings(Section):
    name: str
    verifier: Annotated[str, AfterValidator(_found)]
    """Who says whether a solution is right: `exact`, `numeric`, `symbolic`, `roles`, `reasoning_gym`, or the dotted
    path of a function or verifier of yours.

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
    """Reward of a correct answer; anything else earns 0 for correctness, or the verifier's share of it."""
    terms: dict[str, RewardTerm]
    """What is added to that, by names of your choice, under which the mean of each score is logged."""
    credit_truncated: bool
    """Whether a solution cut at the length limit may still count as correct; if not, it is counted as truncated."""
    timeout_seconds: float = Field(gt=0)
    """Wall clock of one verification; then its process is killed."""
    memory_mb: int = Field(ge=128)
    """Memory that one verification may take on top of what its process has after its imports (Linux)."""
    workers: int = Field(ge=1)
    """Processes for `symbolic`, `reasoning_gym`, functions of yours and patterns; others need none."""

    @field_validator("terms")
    @classmethod
    def _named(cls, terms: dict[str, RewardTerm]) -> dict[str, RewardTerm]:
        if bad := [name for name in terms if not name.isidentifier()]:
            refuse(f"has the name {bad[0]}; names are made of letters, digits and _")
        return terms
