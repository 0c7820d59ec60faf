"""The garbage collector while libraries are loaded."""

import gc

from hybrid_rl.execution.imports import without_collection


def test_the_collector_is_off_inside_and_leaves_alone_what_is_there() -> None:
    before = gc.get_freeze_count()
    with without_collection():
        assert not gc.isenabled()
        kept = [[number] for number in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(kept)
