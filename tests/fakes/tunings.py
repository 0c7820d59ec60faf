"""A tuning.json written by hand: two trials of one arm, whose outcome another arm takes."""

from pathlib import Path

from hybrid_rl.recording import tuning
from hybrid_rl.recording.tuning import ArmTuning, TrialRecord

RATE = "train.rl.learning_rate"


def write_tuning(study: Path, arm: str, like: str) -> None:
    trials = [
        TrialRecord([], {RATE: 4e-4}, {1000: 0.1, 1001: 0.2}, 0.15, {}, {"flops": 1e12}),
        TrialRecord(
            [f"{RATE}=8e-4"], {RATE: 8e-4}, {1000: 0.3, 1001: 0.2}, 0.25, {}, {"flops": 3e12}
        ),
    ]
    own = ArmTuning(trials, 1, {"flops": 4e12})
    tuning.write(study, {arm: own, like: ArmTuning(trials, 1, {}, like=arm)})
