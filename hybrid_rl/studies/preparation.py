"""The preparation of a study: one run whose model every arm starts from, trials of the tuning included.

It is an ordinary run in <run_dir>/prepare/, done once and gone on with where it was cut off, as all jobs of a study
are. What it cost is shown beside the comparison and charged to no arm.
"""

from collections.abc import Sequence
from dataclasses import replace

from hybrid_rl.config.overrides import quoted
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.studies import running
from hybrid_rl.studies.jobs import Blueprint, Job
from hybrid_rl.studies.running import Ended, Place


def run(job: Job, place: Place) -> Ended:
    """Run the preparation, unless it is done. Raises UserError as `running.run` does."""
    # It runs alone, so it has all cores.
    return running.run(f"preparation in {job.run.path}", [job], replace(place, slots=1))


def prepared(blueprint: Blueprint, job: Job) -> Blueprint:
    """The blueprint whose jobs start from the model that the preparation has saved."""
    return replace(blueprint, start=tuple(starting_from(job.run)))


def starting_from(run: RunDir) -> Sequence[str]:
    """The overrides by which a run starts from the model of another one, which lies in a plain directory."""
    elsewhere = ("gguf_file", "package", "tokenizer", "revision")
    return [f"model.path={quoted(run.model)}", *(f"model.{key}=null" for key in elsewhere)]
