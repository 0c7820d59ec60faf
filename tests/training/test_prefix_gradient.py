"""A hint is context: where BREAD branches, no gradient reaches the logits that predict its tokens (T4 of its notes)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.config.train import SpeedSettings
from hybrid_rl.types import Example, Ids, Verdict
from hybrid_rl.verification.grader import Solution
from tests.fakes import tiny
from tests.training.test_trainer import build

pytestmark = pytest.mark.slow


class OnlyGuided(tiny.EvenGrader):
    """Without a hint all is wrong; with one, the first two of each group of four are right."""

    def grade(self, solutions: Sequence[Solution]) -> list[Verdict]:
        guided, self.calls = self.calls > 0, self.calls + len(solutions)
        right, wrong = Verdict("correct", 1.0), Verdict("wrong", 0.0)
        return [right if guided and row % 4 < 2 else wrong for row in range(len(solutions))]


def in_lines(count: int) -> list[Example]:
    """Questions with traces of a line per token, three at least, so that each can be cut."""
    found = []
    for example in tiny.examples(40):
        assert example.trace is not None
        if len(example.trace.ids) >= 3:
            text = example.trace.text.replace(" ", "\n")
            found.append(replace(example, trace=replace(example.trace, text=text)))
    return found[:count]


Read = tuple[Ids, Any]
"""The tokens of a row, and the gradient (T, H) of the hidden states from which the next ones are predicted.

The head's 14 x 32 weights have full rank: such a gradient is zero exactly where that of the logits is.
"""


def branched_update(run_dir: Path, **speed: bool) -> tuple[set[Ids], list[Read]]:
    """The contexts of one update on branched groups, and what training read, from its beginning."""
    trainer, _ = build(run_dir, "bread", in_lines(4), train__steps=1, **speed)
    trainer.attempter.grader = OnlyGuided()  # type: ignore[assignment] - a fake of what is used
    calls: list[Any] = []

    def see(module: Any, args: Any, kwargs: Any, output: Any) -> None:
        if not torch.is_grad_enabled():
            return
        ids, mask = kwargs["input_ids"], kwargs["attention_mask"].bool()
        if mask.shape == ids.shape:  # else it goes on after a context that several rows share
            output.last_hidden_state.retain_grad()
            calls.append((ids, mask, output))

    trainer.model.base_model.register_forward_hook(see, with_kwargs=True)
    trainer.train()
    assert [group.note["outcome"] for group in trainer.now.groups] == ["anchor"] * 4
    contexts = {group.example.prompt_ids + group.prefix for group in trainer.now.groups}
    reads = [
        (tuple(row[seen].tolist()), gradient[seen])
        for ids, mask, output in calls
        for row, seen, gradient in zip(ids, mask, output.last_hidden_state.grad, strict=True)
    ]
    return contexts, reads


@pytest.mark.parametrize("saved", [False, True])
def test_no_gradient_reaches_what_predicts_the_tokens_of_a_prefix(
    tmp_path: Path, saved: bool
) -> None:
    speed = {f"speed__{name}": saved for name in SpeedSettings.model_fields}
    contexts, reads = branched_update(tmp_path, **speed)
    assert len(reads) == (4 if saved else 16)
    for tokens, gradient in reads:
        [length] = {len(context) for context in contexts if tokens[: len(context)] == context}
        assert not gradient[: length - 1].any()
        assert gradient[length - 1].any()
