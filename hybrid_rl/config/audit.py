"""Types and limits of `audit`: which cases task=audit judges, and how many mistakes it forgives."""

from pydantic import Field

from hybrid_rl.types import Section


class AuditSettings(Section):
    """The audit of verifiers by task=audit; other tasks do not look at it."""

    cases: str | None = None
    """A file of cases, a JSON object a line with `gold`, `solution` and `expected` ("correct" or "not correct"), and
    with `verifier`, `category` and `debatable` if need be; null: the cases that come with the package."""
    own_verifiers: bool = True
    """Whether a case is judged by the `verifier` that it names; if not, all are judged by reward.verifier."""
    false_accepts: float = Field(default=0.0, ge=0, le=1)
    """The share of the firm cases that are not correct which may be accepted; beyond it the exit code is 1."""
    false_rejects: float = Field(default=0.01, ge=0, le=1)
    """The share of the firm cases that are correct which may be rejected; beyond it the exit code is 1."""
