"""The points of a space that are tried: of a grid, and as Optuna asks for them."""

import importlib.util
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from hybrid_rl.config.tuning import TuneSettings
from hybrid_rl.errors import SettingsError
from hybrid_rl.studies.search import points
from tests.studies.conftest import tuned

WRITTEN = {"a.rate": 0.1, "a.kind": "x", "a.on": None}


def tune(trials: int, draw: int = 0, **space: Any) -> TuneSettings:
    named = {name.replace("_", "."): values for name, values in space.items()}
    return TuneSettings.model_validate(tuned(trials=trials, draw=draw, space={"arm": named}))


def test_a_grid_is_tried_in_its_order_the_arm_as_written_first() -> None:
    made = tune(4, a_rate=[0.1, 0.2], a_kind=["y", "x"])
    assert points(made, "arm", WRITTEN, []) == [
        (),
        ("a.rate=0.1", "a.kind=y"),
        ("a.rate=0.2", "a.kind=y"),
        ("a.rate=0.2", "a.kind=x"),
    ]


def test_values_are_typed_as_hydra_reads_them() -> None:
    made = tune(5, a_on=[True, None, 1e-05, [0.9, 0.99], "x"])
    found = points(made, "arm", WRITTEN, [])
    assert found == [(), ("a.on=true",), ("a.on=1e-05",), ("a.on=[0.9, 0.99]",), ("a.on=x",)]


def test_of_a_larger_grid_some_are_drawn_each_once_and_by_the_seed() -> None:
    values = [round(0.1 * n, 1) for n in range(1, 9)]
    drawn = {draw: points(tune(5, draw, a_rate=values), "arm", WRITTEN, []) for draw in range(20)}
    for found in drawn.values():
        assert found[0] == ()
        assert len({*found}) == 5
        assert {*found[1:]} <= {(f"a.rate={value}",) for value in values[1:]}
    assert len({tuple(found) for found in drawn.values()}) > 10
    assert points(tune(5, 3, a_rate=values), "arm", WRITTEN, [0.5]) == drawn[3]
    of_two = tuned(trials=5, space={"arm": {"a.rate": values}, "other": {"a.rate": values}})
    made = TuneSettings.model_validate(of_two)
    assert points(made, "other", WRITTEN, []) != points(made, "arm", WRITTEN, [])


@pytest.mark.parametrize("draw", range(10))
def test_a_draw_tries_every_value_of_a_setting_as_often_as_can_be(draw: int) -> None:
    """Four trials, the arm as written among them: of three values one comes twice, of two values each."""
    made = tune(4, draw, a_rate=[0.1, 0.2, 0.3], a_b=[1, 2, 3], a_kind=["x", "y"])
    written = WRITTEN | {"a.b": 1}
    _, *drawn = points(made, "arm", written, [])
    trials = [("a.rate=0.1", "a.b=1", "a.kind=x"), *drawn]
    counts = [sorted(Counter(column).values()) for column in zip(*trials, strict=True)]
    assert counts == [[1, 1, 2], [1, 1, 2], [2, 2]]


def test_a_grid_with_too_few_points_is_refused() -> None:
    with pytest.raises(SettingsError) as caught:
        points(tune(4, a_rate=[0.1, 0.2, 0.3]), "arm", WRITTEN, [])
    assert str(caught.value) == (
        "too few points beside the arm as written: 2, and study.tune.trials = 4 needs 3; give more values, or"
        " study.tune.trials=3"
    )


INTERVALS = {
    "a_rate": "tag(log, interval(1e-4,1e-2))",
    "a_n": "int(interval(2,8))",
    "a_k": ["u", 3],
}


@pytest.mark.filterwarnings("ignore")  # of Optuna's own imports
def test_optuna_is_asked_for_one_point_at_a_time_and_answers_alike_when_asked_again() -> None:
    pytest.importorskip("optuna")
    made = tune(4, **INTERVALS)
    means: list[float] = []
    grown = [points(made, "arm", WRITTEN, means)]
    for mean in (0.1, 0.2, 0.3, 0.4):
        means.append(mean)
        grown.append(points(made, "arm", WRITTEN, means))
    assert [len(found) for found in grown] == [1, 2, 3, 4, 4]
    assert all(longer[: len(found)] == found for found, longer in pairwise(grown))
    assert len({*grown[-1]}) == 4
    for rate, number, kind in grown[-1][1:]:
        assert 1e-4 <= float(rate.removeprefix("a.rate=")) <= 1e-2
        assert 2 <= int(number.removeprefix("a.n=")) <= 8
        assert kind in ("a.k=u", "a.k=3")
    assert points(tune(4, 1, **INTERVALS), "arm", WRITTEN, means) != grown[-1]


@pytest.mark.filterwarnings("ignore")
def test_optuna_goes_by_the_figures() -> None:
    """After ten random points its sampler looks where figures were high."""
    pytest.importorskip("optuna")
    made = tune(30, a_rate="interval(0.0,1.0)")
    for best in (0.0, 1.0):
        means = [0.0]
        while len(means) < 30:
            (word,) = points(made, "arm", WRITTEN, means)[-1]
            means.append(-abs(float(word.removeprefix("a.rate=")) - best))
        late = points(made, "arm", WRITTEN, means)[-8:]
        values = [float(word.removeprefix("a.rate=")) for (word,) in late]
        assert abs(sum(values) / 8 - best) < 0.3


def test_without_optuna_an_interval_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError) as caught:
        points(tune(4, **INTERVALS), "arm", WRITTEN, [])
    assert str(caught.value) == (
        "an interval needs Optuna; pip install 'hybrid-rl[optuna]', or give lists of values"
    )
