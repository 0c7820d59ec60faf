"""What a sampler is asked for: the room of each prompt, and where a completion ends."""

import pytest

from hybrid_rl.models.sampling import Request, SamplingParams, cut_after_eos

PARAMS = SamplingParams(temperature=1.0, top_p=1.0, top_k=0, max_completion_tokens=6)


@pytest.mark.parametrize(("limits", "expected"), [(None, [6, 6]), ((2, 5), [2, 5])])
def test_a_prompt_has_its_own_room_or_that_of_all(
    limits: tuple[int, ...] | None, expected: list[int]
) -> None:
    assert Request([(2,), (3, 4)], limits).limits_under(PARAMS) == expected


def test_a_completion_ends_with_its_first_end_token() -> None:
    assert cut_after_eos([5, 1, 0, 0], [1]) == (5, 1)
    assert cut_after_eos([5, 7, 9, 4], [1, 9]) == (5, 7, 9)
    assert cut_after_eos([5, 6], [1]) == (5, 6)
