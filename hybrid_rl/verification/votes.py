"""What a wrong solution votes for in maj@k: the answer it states, in a form that is equal for equal answers.

Reads answers as the verifiers do. Symbolic answers are compared as written, spaces apart: two spellings of one wrong
answer are two votes, so that maj@k is, if anything, a little high there.
"""

from hybrid_rl.config.reward import RewardSettings
from hybrid_rl.verification import answers, exact, numeric
from hybrid_rl.verification.roles import gold_roles, stated_roles


def vote(answer: str, text: str, settings: RewardSettings) -> str:
    """Key of the final answer of `text`, a solution with a verdict of wrong; `answer` is the gold one."""
    part = answers.answer_part(text, settings.answer_after)
    match settings.verifier:
        case "exact":
            found: object = exact.exact_answer(part)
        case "numeric":
            found = numeric.numeric_answer(part, settings.unmarked)
        case "roles":
            found = sorted((stated_roles(part, gold_roles(answer)) or {}).items())
        case "symbolic":
            found = answers.last_boxed(part)
        case _:
            part, found = text, None
    if found is None:
        found = part[answers.answer_start(part, settings.verifier) :]
    return "".join(str(found).split())
