"""Every method on every engine with two processes, against one process, and the checks of the doctor on two ranks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("deepspeed")

from accelerate.state import AcceleratorState

from tests.fakes import composed, played, tiny
from tests.fakes.programs import Programs

pytestmark = pytest.mark.slow
TwoRanks = Callable[..., list[dict[str, Any]]]
CLOCKS = {"wall_seconds", "device_seconds"}


@pytest.fixture
def two_ranks(programs: Programs, tmp_path: Path) -> TwoRanks:
    """two_ranks("zero2", "sft", program="played"): what both ranks found on an engine, each in a file of tmp_path.

    Any of them failing, or hanging for two minutes, fails the test. To `played` methods are named: none for all;
    `bfloat16` for the checks alone, in bfloat16.
    """

    def found(engine: str, *methods: str, program: str = "played") -> list[dict[str, Any]]:
        ended = programs.run("tests.fakes.two_ranks", program, str(tmp_path), engine, *methods)
        assert ended.code == 0, ended.text
        return [json.loads((tmp_path / f"{engine}-{rank}.json").read_text()) for rank in (0, 1)]

    return found


def close(ours: Any, theirs: Any) -> bool:
    """Equal, numbers within what another order of additions and Adam make of it."""
    if isinstance(theirs, float):
        return bool(ours == pytest.approx(theirs, rel=2e-3, abs=2e-5))
    return bool(ours == theirs)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("alone")
    found = {method: played.play(directory, method, "one") for method in played.methods_of("one")}
    AcceleratorState._reset_state(reset_partial_state=True)
    return found


def test_the_scripted_runs_hold_what_is_to_be_compared(alone: dict[str, Any]) -> None:
    """Hybrids do both kinds of updates, searches find anchors, and RL has gradients."""
    for method in ("alternate", "sasr", "sft_then_grpo", "relift", *played.MEASURING):
        assert set(alone[method]["kinds"]) == {"sft", "rl"}, method
    assert alone["bread"]["state"]["anchors"]
    assert any(line["grad_norm"] > 0 for line in alone["grpo"]["metrics"])


@pytest.mark.parametrize("engine", ["ddp", "zero2", "zero3"])
def test_two_ranks_do_what_one_does(
    engine: str, alone: dict[str, Any], two_ranks: TwoRanks
) -> None:
    first, second = two_ranks(engine)
    assert [check["name"] for check in first["checks"] if not check["passed"]] == []
    assert len(first["checks"]) == 12
    for method in played.methods_of(engine):
        ours, theirs, single = first[method], second[method], alone[method]
        for known in ("kinds", "state", "weights"):
            assert ours[known] == theirs[known], f"{method}: ranks differ in {known}"
        assert ours["kinds"] == single["kinds"], method
        if method in played.BY_RANK:
            continue
        assert [line["groups"] for line in ours["decisions"]] == [
            line["groups"] for line in single["decisions"]
        ], method
        for line, expected in zip(ours["metrics"], single["metrics"], strict=True):
            for name in expected.keys() - CLOCKS:
                assert close(line[name], expected[name]), (method, name, line, expected)


@pytest.mark.parametrize("engine", ["zero1", "zero3_offload"])
def test_the_other_engines_pass_the_checks(engine: str, two_ranks: TwoRanks) -> None:
    first, _ = two_ranks(engine, "sft_then_grpo")
    assert [check["name"] for check in first["checks"] if not check["passed"]] == []
    assert first["sft_then_grpo"]["kinds"] == ["sft"] * 3 + ["rl"] * 3


@pytest.mark.parametrize("engine", ["ddp", "zero1", "zero2+offload", "zero3", "zero3_offload"])
def test_every_engine_has_moments_by_name_and_takes_no_step_without_a_gradient(
    engine: str, two_ranks: TwoRanks
) -> None:
    """Bit for bit what three optimizers of PyTorch do; a resume goes on with all three exactly."""
    for rank in two_ranks(engine, program="stepped"):
        assert rank["as_torch"], "three optimizers of PyTorch come elsewhere"
        assert set(rank["gradients"]) == {0, 1, 2, 4, 5, 6, 8}
        assert rank["still"] == [4, 8]
        assert rank["names"] == dict.fromkeys("abc", True)
        assert rank["resumed_weights"]
        assert rank["resumed_moments"]
        for line, moved in zip(rank["metrics"], rank["moved"], strict=bool(rank["metrics"])):
            assert line["update_norm"] == pytest.approx(moved, rel=1e-5)
            assert line.get("zero_gradient", 0) == (line["step"] in (4, 8))


@pytest.fixture(scope="module")
def composed_alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("composed")
    found = {name: composed.found(directory / name, name, "one") for name in composed.RUNS}
    AcceleratorState._reset_state(reset_partial_state=True)
    return found


@pytest.mark.parametrize("engine", ["ddp", "zero2", "zero3"])
def test_a_loss_of_terms_is_on_two_ranks_what_it_is_on_one(
    engine: str, composed_alone: dict[str, Any], two_ranks: TwoRanks
) -> None:
    """Also where one rank has no row for a micro-batch, or none of a term; gradients are those of the whole."""
    first, _ = two_ranks(engine, program="composed")
    start = torch.cat([one.flatten() for _, one in sorted(tiny.model().state_dict().items())])
    for name, alone in composed_alone.items():
        for line, expected in zip(first[name]["metrics"], alone["metrics"], strict=True):
            told = {key: value for key, value in expected.items() if key not in CLOCKS | {"kind"}}
            found = {key: line[key] for key in told}
            # Adam magnifies the rounding of small gradients.
            rel = 1e-5 if line["step"] == 1 else 1e-4
            assert found == pytest.approx(told, rel=rel, abs=1e-6), name
        ours, theirs = (torch.tensor(one[name]["weights"]) for one in (first, composed_alone))
        assert (ours - theirs).norm() < 1e-4 * (theirs - start).norm(), name


def test_bfloat16_passes_on_two_ranks(two_ranks: TwoRanks) -> None:
    """DeepSpeed rounds the weights, others do not."""
    first, _ = two_ranks("zero2", "bfloat16")
    assert [check for check in first["checks"] if not check["passed"]] == []


def test_a_rank_with_other_weights_is_found(two_ranks: TwoRanks) -> None:
    """ZeRO's copies of them, which the optimizer has, stay right."""
    first, second = two_ranks("zero2", "astray")
    for found in (first, second):
        names = {check["name"] for check in found["checks"] if not check["passed"]}
        assert "the same weights on all ranks" in names


def test_a_killed_run_ends_as_the_straight_one(programs: Programs, tmp_path: Path) -> None:
    """Through launcher, signals and resume, on one process and on two that shard their weights."""
    chosen = ["--methods", "sasr", "--engines", "one", "zero3", "--kills", "1"]
    done = programs.run("tests.endurance.matrix", *chosen, "--directory", str(tmp_path))
    assert done.code == 0, done.text
    assert done.text.count("pass") == 4
