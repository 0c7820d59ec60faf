"""What is shown elsewhere holds no secret and no path of this machine, and keeps everything else."""

import pytest

from hybrid_rl.recording.shareable import command_lines, without_paths, without_secrets


def test_a_secret_is_known_by_its_name_or_by_its_look() -> None:
    values = {
        "hub_token": "abc",
        "max_completion_tokens": 64,
        "notes": ["of hf_abcdefghijklmnopqrstuv", "hf_home"],
        "api_key": None,
    }
    assert without_secrets(values) == {
        "hub_token": "(hidden)",
        "max_completion_tokens": 64,
        "notes": ["of (hidden)", "hf_home"],
        "api_key": None,
    }


def test_of_a_path_the_last_name_is_left_and_other_texts_stay() -> None:
    values = {
        "path": ["/home/me/my data/x.jsonl", "~/y.csv", "data/z.json"],
        "model": "owner/name",
        "answer_after": "</think>",
    }
    assert without_paths(values) == {
        "path": [".../x.jsonl", ".../y.csv", "data/z.json"],
        "model": "owner/name",
        "answer_after": "</think>",
    }


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("method=grpo +x=1 '~eval.limit'", "hybrid-rl method=grpo +x=1 '~eval.limit'"),
        ("run_dir=/home/me/r tracker=wandb tracker.entity=me seed=1", "hybrid-rl seed=1"),
        ("model.path=/home/me/m", "hybrid-rl model.path=.../m"),
        ("model.path=file:///home/me/m", "hybrid-rl model.path=.../m"),
        (
            "'data.train={kind: file, path: [/home/me/my data/x.jsonl, ~me/y.jsonl]}'",
            "hybrid-rl 'data.train={kind: file, path: [.../x.jsonl, .../y.jsonl]}'",
        ),
        ("trl.hub_token=t", "hybrid-rl 'trl.hub_token=(hidden)'"),
        ("'m={\"api_key\": t, n: 1}'", "hybrid-rl 'm={\"api_key\": (hidden), n: 1}'"),
        (
            "'data.instruction=Say a / b after </think>' x=https://host/a",
            "hybrid-rl 'data.instruction=Say a / b after </think>' x=https://host/a",
        ),
    ],
)  # fmt: skip
def test_a_command_line_is_shown_without_what_is_of_this_machine(typed: str, shown: str) -> None:
    assert command_lines(f"hybrid-rl {typed}\n", ("run_dir", "tracker")) == [shown]


def test_a_value_with_a_newline_is_part_of_its_command() -> None:
    typed = "hybrid-rl 'data.system=one\ntwo' seed=1\nhybrid-rl resume=/home/me/run\n"
    assert command_lines(typed) == [
        "hybrid-rl 'data.system=one\ntwo' seed=1",
        "hybrid-rl resume=.../run",
    ]
