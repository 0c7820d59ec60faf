"""Worker processes: nothing that a model or a user writes can hang or kill the process that asks them."""

from hybrid_rl.types import Verdict
from hybrid_rl.verification.grader import Grader, Solution
from tests.fakes.reward import settings


def test_a_users_function_may_misbehave_in_every_way() -> None:
    texts = ["yes", "sleep", "allocate", "exit", "raise", "abort", "yes", "no"]
    verifier = settings(
        "exact",
        verifier="tests.fakes.user_verifiers.obeys",
        timeout_seconds=2.0,
        memory_mb=256,
        workers=2,
    )
    with Grader(verifier) as grader:
        found = grader.grade([Solution("yes", text) for text in texts])
        again = grader.grade([Solution("yes", "yes")])
    assert [verdict.outcome for verdict in found] == [
        "correct",
        "timeout",
        "unparseable",  # MemoryError, raised by the limit
        "timeout",
        "unparseable",
        "timeout",
        "correct",
        "wrong",
    ]
    assert again == [Verdict("correct", 1.0)]
    assert grader.calls == 9
