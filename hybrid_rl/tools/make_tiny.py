"""Makes the embedded base model from nothing: `python -m hybrid_rl.tools.make_tiny OUT_DIR`.

The model is trained on the solutions of a pupil, who reads a minus as a plus six times in ten and computes correctly
from there; see `data.generators.ledger`. It then knows the format and the arithmetic, yet solves a problem of ten
subtractions about once in 10,000 tries: the situation in which methods differ. This takes about two minutes on one
core; the same seed, machine and library versions give the same weights.
"""

import argparse
import logging
import random
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.progress import track
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from hybrid_rl.config.data import Range
from hybrid_rl.data.generators import ledger
from hybrid_rl.models.decoding import LanguageModel
from hybrid_rl.models.generation import generate
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.training import demonstrations
from hybrid_rl.training.lean.scoring import IGNORED
from hybrid_rl.types import Demonstration, Ids

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
"""The fewest and the most operations of a problem to learn from."""
PICKED_UP_SHARE = 0.5
"""The share of rows that go on from shown lines: without them so small a model counts lines and reads no labels."""
EASY = ((2, 4), None)
HARD = ((12, 12), (10, 10))
"""The ranges of operations and subtractions of the hard problems that are measured; those of the easy ones above."""
MEASURED = 2048
"""How many problems are behind a figure: fewer cannot tell a success in 10,000 from one in 200."""
_SOLUTION = re.compile(r"(?:[a-p] [+-][1-3] \d \d )+# \d \d <end>")


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer with one token per symbol; blanks and newlines only separate."""
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
    """The model before training, of about 0.1 M parameters."""
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
    return LlamaForCausalLM(config)


def pretrain(steps: int, seed: int) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """The model after `steps` batches of the pupil's solutions, and its tokenizer."""
    torch.manual_seed(seed)
    rng = random.Random(f"pretrain-{seed}")
    tokenizer = build_tokenizer()
    model = build_model(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=0.01)
    for step in track(range(steps), description="pre-training"):
        for group in optimizer.param_groups:
            # A linear rise, and a linear fall to a tenth of the peak.
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
    problems: tuple[Range, Range | None],
    temperature: float,
    count: int,
) -> tuple[float, float]:
    """The shares of right and of well-formed completions of `count` fresh problems, always the same ones.

    Well-formed are lines of label, operation and total, then the mark and a total, whatever the numbers.
    """
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
    right = sum(text.endswith(end) for text, end in zip(texts, ends, strict=True))
    return right / count, sum(_SOLUTION.fullmatch(text) is not None for text in texts) / count


def prompt_ids(problem: ledger.Problem, tokenizer: PreTrainedTokenizerFast, shown: str = "") -> Ids:
    """The prompt that asks a problem, as the chat template gives it, and the lines `shown` of a solution."""
    return tuple(tokenizer.encode(f"{USER} {ledger.question(problem)} {ASSISTANT} {shown}"))


def _row(rng: random.Random, tokenizer: PreTrainedTokenizerFast) -> Demonstration:
    """A problem with the pupil's solution to learn, or with some lines of one and the end of it to learn."""
    problem = ledger.draw(rng, OPERATIONS, None)
    picked_up = rng.random() < PICKED_UP_SHARE
    shown, solution = (
        ledger.picked_up(problem, rng) if picked_up else ("", ledger.pupil_solution(problem, rng))
    )
    target = tuple(tokenizer.encode(f"{solution} {END}"))
    return Demonstration(prompt_ids(problem, tokenizer, shown), target)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains the model, writes it, and says how good it is on easy and on hard problems."""
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
            shares = measure(model, tokenizer, problems, temperature, MEASURED)
            log.info("%s problems, %s: %.4f right, %.3f well-formed", name, how, *shares)


if __name__ == "__main__":
    main()
