"""hybrid-rl-push uploads the model of a run, with its card, to the Hugging Face hub.

It is a command of its own, and no step of a run: an upload that fails costs the run nothing, and the same command tries
again. Only files beside the weights are sent, and a repository that it makes is private unless --public is given.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # is documented, without __all__

from hybrid_rl.errors import USER_ERROR, UserError
from hybrid_rl.execution import network
from hybrid_rl.recording import console
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.reporting import model_card

_EPILOG = """\
examples:
  hybrid-rl-push runs/grpo-tiny-ledger/20260101-120000 me/my-model
  hybrid-rl-push RUN_DIR my-org/my-model --best --public

RUN_DIR/model/README.md is the card; what you add to it, such as `license`, is kept.
"""
Api = Callable[[], Any]
"""What makes a `huggingface_hub.HfApi`."""


def main() -> None:
    """The console script; its exit code is 2 for what the user can fix."""
    console.as_a_view()
    sys.exit(run(sys.argv[1:]))


def run(
    arguments: Sequence[str], api: Api = HfApi, environment: Mapping[str, str] = os.environ
) -> int:
    """Uploads a model and tells its address; returns the exit code."""
    typed = _parser().parse_args(arguments)
    try:
        directory = model_of(typed.run_dir, typed.best)
        _require_access(typed.repo, environment)
        address = push(directory, typed.repo, typed.public, api)
    except (UserError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return USER_ERROR
    sys.stdout.write(f"{address}\n")
    return 0


def model_of(run_dir: Path, best: bool = False) -> Path:
    """The directory of the run's model, or of its best on dev; a card is written for a model that has none.

    Raises UserError where the run is not over, or has saved no such model.
    """
    run = RunDir(run_dir)
    if not run.settings.exists():
        raise UserError(f"{run_dir}: is no run directory, for it has no settings.json; give one")
    if run.is_running():
        raise UserError(f"{run_dir}: is still running; push its model when it is done")
    directory = run.best_model if best else run.model
    if not directory.is_dir():
        remedy = "eval.best=true keeps it" if best else f"hybrid-rl resume={run_dir} brings it"
        raise UserError(f"{directory}: is not there; {remedy}")
    if not (directory / "README.md").exists():
        model_card.write(run_dir)
    return directory


def push(directory: Path, repo: str, public: bool, api: Api = HfApi) -> str:
    """Makes the repository unless it is there, uploads the directory as one commit, and returns the model's address.

    Raises UserError with the hub's own reason where it refuses.
    """
    hub = api()
    try:
        made = hub.create_repo(repo, repo_type="model", private=not public, exist_ok=True)
        hub.upload_folder(
            repo_id=made.repo_id,
            folder_path=directory,
            commit_message=f"Upload {directory.name} of a run of hybrid-rl",
        )
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(
            f"{repo}: the hub did not take it ({reason}); the run is as it was, and the same command tries again"
        ) from error
    return str(made)


def _require_access(repo: str, environment: Mapping[str, str]) -> None:
    """Raises UserError for a repository that cannot be, and without a token or a connection to the hub."""
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise UserError(f"{error} Give a name such as me/my-model.") from error
    if get_token() is None:
        raise UserError(
            f"{repo}: there is no token for the hub; type `hf auth login`, or set HF_TOKEN to one that may write"
        )
    if environment.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise UserError(f"{repo}: HF_HUB_OFFLINE is set, so nothing can be uploaded; unset it")
    if (problem := network.without_hub(environment)) is not None:
        raise UserError(f"{repo}: {problem}; push from a machine with a connection")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hybrid-rl-push",
        description="Upload the model of a run, with its card, to the Hugging Face hub.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("run_dir", metavar="RUN_DIR", type=Path, help="a run that has saved its model")
    add("repo", metavar="OWNER/NAME", help="the repository; it is made unless it is there")
    add("--best", action="store_true", help="the weights that were best on dev, of eval.best=true")
    shown = "make the repository public; default: private. One that is there stays as it is"
    add("--public", action="store_true", help=shown)
    return parser


if __name__ == "__main__":
    main()
