"""What is measured and on what: the model, the examples, and how a set of questions is evaluated.

Training and evaluation of a run share one workbench: the same verifier, the same prompts, the same generation code.
"""

from collections.abc import Sequence

from accelerate import PartialState
from accelerate.utils import gather_object
from transformers import PreTrainedModel

from hybrid_rl.config.hardware import HardwareSettings
from hybrid_rl.config.train import SpeedSettings
from hybrid_rl.models import precision, sampling
from hybrid_rl.models.sampling import Sample, SamplingParams
from hybrid_rl.types import Ids


def sample_alone(
    model: PreTrainedModel,
    eos_ids: Sequence[int],
    pad_id: int,
    hardware: HardwareSettings,
    speed: SpeedSettings,
    prompts: Sequence[Ids],
    how: SamplingParams,
) -> list[Ids]:
    with precision.as_in_training(model, hardware):
        rows_per_call = hardware.generation_batch
        return sampling.generate(model, prompts, how, eos_ids, pad_id, rows_per_call, speed)


def sample_on_all_ranks(sample: Sample, prompts: Sequence[Ids], how: SamplingParams) -> list[Ids]:
    """Each rank draws its share, as many calls as any other, and all get all."""
    state = PartialState()
    if state.num_processes == 1:
        return sample(prompts, how)
    share = -(-len(prompts) // state.num_processes)
    padded = [*prompts, *[prompts[0]] * (share * state.num_processes - len(prompts))]
    mine = padded[state.process_index * share : (state.process_index + 1) * share]
    drawn: list[Ids] = gather_object(sample(mine, how))
    return drawn[: len(prompts)]
