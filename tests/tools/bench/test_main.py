"""The command line of the benchmark refuses what it cannot measure, with a reason."""

import sys

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.tools.bench import __main__
from tests.fakes.programs import Programs

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        (["hardware=zero2"], "hardware = zero2: the benchmark is one process without DeepSpeed;"),
        (["hardware=gpu"], "hardware.device = cuda: torch finds no GPU here;"),
        (["hardware=gpus"], "hardware = gpus: no such option; did you mean gpu?"),
        (["model.dtyp=bfloat16"], "model.dtyp"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: list[str],
    reason: str,
) -> None:
    if torch.cuda.is_available() and "torch" in reason:
        pytest.skip("there is a GPU")
    words = ["bench", "preset=small", "json=/dev/null", *typed]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stopped:
        __main__.main()
    assert stopped.value.code == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("option", ["preset=huge", "train.rl.beta=0.1"])
def test_a_wrong_option_ends_with_the_usage(option: str, programs: Programs) -> None:
    done = programs.run("hybrid_rl.tools.bench", option, "json=/dev/null")
    assert done.code == 2
    assert done.text.splitlines()[-1].startswith("usage: python -m hybrid_rl.tools.bench preset=")
