"""Makes the embedded base model from nothing: `python -m hybrid_rl.tools.make_tiny OUT_DIR`.

The pupil of `tasks.ledger` reads a minus as a plus six times in ten and computes correctly from there. A model
pre-trained on such solutions knows the format and the arithmetic, yet solves a problem of ten subtractions about once
in 10,000 tries: the situation in which methods differ. About two minutes on one core; the same seed, machine and
library versions give the same weights.
"""

import argparse
import logging
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import track
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from hybrid_rl.data.generators import ledger
from hybrid_rl.models.decoding import LanguageModel
from hybrid_rl.models.generation import generate
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.training import demonstrations
from hybrid_rl.training.lean.scoring import IGNORED
from hybrid_rl.types import Demonstration

log = logging.getLogger(__name__)

PAD, END, USER, ASSISTANT = "<pad>", "<end>", "<user>", "<assistant>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}<user> {{ message['content'] }} "
    "{% elif message['role'] == 'assistant' %}<assistant> {{ message['content'] }} <end> "
    "{% else %}{{ raise_exception('this model knows the roles user and assistant only') }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
BATCH_SIZE = 32
PEAK_LEARNING_RATE = 4e-3
WARMUP_STEPS = 50
OPERATIONS = (1, 12)
PICKED_UP_SHARE = 0.5
"""Share of rows that go on from shown lines: without them so small a model counts lines instead of reading labels."""
EASY = ((2, 4), None)
HARD = ((12, 12), (10, 10))
"""Operations and subtractions of the two kinds of problems that the figures at the end are of."""
MEASURED = 2048
"""Problems per figure: fewer cannot tell a success in 10,000 from one in 200."""
_SOLUTION = re.compile(r"(?:[a-p] [+-][1-3] \d \d )+# \d \d <end>")


@dataclass(frozen=True)
class Figures:
    """Shares, from 0 to 1, of completions."""

    right: float
    well_formed: float
    """Lines of label, operation and total, then the mark and a total, whatever the numbers."""


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One token per symbol; blanks and newlines only separate."""
    symbols = [PAD, END, USER, ASSISTANT, *ledger.vocabulary()]
    words = Tokenizer(models.WordLevel({s: i for i, s in enumerate(symbols)}, unk_token=PAD))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        model_max_length=256,
        clean_up_tokenization_spaces=False,
    )


def build_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Untrained, about 0.1 M parameters."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return model


def pretrain(steps: int, seed: int) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """The pupil after `steps` batches of its own kind of solutions."""
    torch.manual_seed(seed)
    rng = random.Random(f"pretrain-{seed}")
    tokenizer = build_tokenizer()
    model = build_model(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=0.01)
    for step in track(range(steps), description="pre-training"):
        for group in optimizer.param_groups:
            rise = min(1.0, (step + 1) / WARMUP_STEPS)
            group["lr"] = PEAK_LEARNING_RATE * rise * (1 - 0.9 * step / steps)
        rows = [_row(rng, tokenizer) for _ in range(BATCH_SIZE)]
        batch = demonstrations.collate(rows, tokenizer.pad_token_id)
        tokens = batch["labels"].ne(IGNORED).sum()
        loss = demonstrations.loss_sum(model, batch, entropy_bonus=0.0, head="logits") / tokens
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return model, tokenizer


def measure(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    problems: tuple[ledger.Range, ledger.Range | None],
    temperature: float,
    count: int,
) -> Figures:
    """How the model does on `count` fresh problems, always the same ones."""
    rng = random.Random("pretrain-figures")
    drawn = [ledger.draw(rng, *problems) for _ in range(count)]
    completions = generate(
        LanguageModel(model, [tokenizer.eos_token_id], tokenizer.pad_token_id),
        Request([prompt_ids(problem, tokenizer) for problem in drawn]),
        SamplingParams(temperature, top_p=1.0, top_k=0, max_completion_tokens=64),
        rows_per_call=512,
    )
    texts = [str(tokenizer.decode(list(ids))) for ids in completions]
    ends = [f"# {ledger.answer(problem)} {END}" for problem in drawn]
    return Figures(
        right=sum(t.endswith(end) for t, end in zip(texts, ends, strict=True)) / count,
        well_formed=sum(_SOLUTION.fullmatch(t) is not None for t in texts) / count,
    )


def prompt_ids(problem: ledger.Problem, tokenizer: PreTrainedTokenizerFast) -> tuple[int, ...]:
    text = f"{USER} {ledger.question(problem)} {ASSISTANT}"
    return _ids(text, tokenizer)


def _row(rng: random.Random, tokenizer: PreTrainedTokenizerFast) -> Demonstration:
    """A problem and the pupil's solution, or its end after some lines that it is shown."""
    problem = ledger.draw(rng, OPERATIONS, None)
    shown = ""
    if rng.random() < PICKED_UP_SHARE:
        shown, solution = ledger.picked_up(problem, rng)
    else:
        solution = ledger.pupil_solution(problem, rng)
    context = (*prompt_ids(problem, tokenizer), *_ids(shown, tokenizer))
    return Demonstration(context, (*_ids(solution, tokenizer), tokenizer.eos_token_id))


def _ids(text: str, tokenizer: PreTrainedTokenizerFast) -> tuple[int, ...]:
    return tuple(tokenizer.encode(text, add_special_tokens=False))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("directory", type=Path, metavar="OUT_DIR")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    model, tokenizer = pretrain(given.steps, given.seed)
    model.save_pretrained(given.directory)
    tokenizer.save_pretrained(given.directory)
    for name, problems in (("easy", EASY), ("hard", HARD)):
        for how, temperature in (("greedy", 0.0), ("sampled", 1.0)):
            figures = measure(model, tokenizer, problems, temperature, MEASURED)
            log.info(
                "%s problems, %s: %.4f right, %.3f well-formed",
                *(name, how, figures.right, figures.well_formed),
            )


if __name__ == "__main__":
    main()
