import pytest

torch = pytest.importorskip("torch")

from trl.trainer.utils import add_fused_lm_head

from hybrid_rl.training import demonstrations
from hybrid_rl.training.lean import scoring
from hybrid_rl.types import Demonstration
from tests.fakes import tiny


def test_collate_masks_context_and_padding() -> None:
    batch = demonstrations.collate([((1, 2), (3,)), ((4,), (5, 6, 7))], pad_id=0)
    assert batch["input_ids"].tolist() == [[1, 2, 3, 0], [4, 5, 6, 7]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert batch["labels"].tolist() == [[-100, -100, 3, -100], [-100, 5, 6, 7]]


def test_micro_batches_share_out_every_row_once() -> None:
    rows = [((10 + i,), (20 + i,)) for i in range(7)]
    seen = [
        int(target)
        for rank in range(2)
        for batch in demonstrations.micro_batches(rows, count=2, rank=rank, world_size=2, pad_id=0)
        for target in batch["labels"].flatten()
        if target != demonstrations.IGNORED
    ]
    assert sorted(seen) == [20 + i for i in range(7)]


def test_a_rank_without_rows_gets_one_that_counts_for_nothing() -> None:
    batches = demonstrations.micro_batches(
        [Demonstration((1,), (2,))], count=2, rank=1, world_size=2, pad_id=0
    )
    assert len(batches) == 2
    assert all((batch["labels"] == demonstrations.IGNORED).all() for batch in batches)


@pytest.mark.parametrize("bonus", [0.0, 0.3])
def test_every_head_gives_the_same_loss_and_gradient(bonus: float) -> None:
    batch = demonstrations.collate(
        [((2, 3), (4, 5, 1)), ((6,), (7, 8, 9, 2, 1)), ((3,), ())], pad_id=0
    )
    found = []
    for head in ("logits", "fused", "scoring"):
        model = tiny.sharp_model()
        add_fused_lm_head(model, outputs=("log_probs", "entropy"))
        assert scoring.install(model)
        loss = demonstrations.loss_sum(model, batch, bonus, head)  # type: ignore[arg-type]
        loss.backward()
        gradient = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
        found.append((loss, gradient))
    for loss, gradient in found[1:]:
        assert torch.allclose(loss, found[0][0], rtol=1e-5)
        assert torch.allclose(gradient, found[0][1], atol=1e-4)
    assert found[0][1].abs().max() > 0.1
