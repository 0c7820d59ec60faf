"""The garbage collector while libraries are loaded."""

import gc

from hybrid_rl.execution.imports import without_collection


def test_the_collector_is_off_inside_and_leaves_alone_what_is_there() -> None:
    gc.unfreeze()
    with without_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 1000
    gc.unfreeze()
