"""What is measured and on what: the model, the examples, and how a set of questions is evaluated.

Training and evaluation of a run share one workbench: the same verifier, the same prompts, the same generation code.
"""

from collections.abc import Sequence

from accelerate import PartialState
from accelerate.utils import gather_object
from transformers import PreTrainedModel

from hybrid_rl.config.hardware import HardwareSettings
from hybrid_rl.config.train import SpeedSettings
from hybrid_rl.models import generation, precision
from hybrid_rl.models.decoding import LanguageModel
from hybrid_rl.models.sampling import Request, Sample, SamplingParams
from hybrid_rl.types import Ids


def sample_alone(
    model: PreTrainedModel,
    eos_ids: Sequence[int],
    pad_id: int,
    hardware: HardwareSettings,
    speed: SpeedSettings,
    request: Request,
    params: SamplingParams,
) -> list[Ids]:
    with precision.as_in_training(model, hardware):
        language_model = LanguageModel(model, eos_ids, pad_id)
        return generation.generate(
            language_model, request, params, hardware.generation_batch, speed
        )


def sample_on_all_ranks(sample: Sample, request: Request, params: SamplingParams) -> list[Ids]:
    """Each rank draws its share, as many calls as any other, and all get all.

    Not for a request with limits or a listener: its rows are divided among the ranks.
    """
    state = PartialState()
    if state.num_processes == 1:
        return sample(request, params)
    prompts = request.prompts
    share = -(-len(prompts) // state.num_processes)
    padded = [*prompts, *[prompts[0]] * (share * state.num_processes - len(prompts))]
    mine = padded[state.process_index * share : (state.process_index + 1) * share]
    drawn: list[Ids] = gather_object(sample(Request(mine), params))
    return drawn[: len(prompts)]
