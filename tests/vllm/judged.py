"""What transformers says of a server's answers, worked out without this package."""

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.vllm.serving import Answer


def encoded(directory: Path, texts: Sequence[str]) -> list[list[int]]:
    """The texts as token ids, by the tokenizer in that directory."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


def differing(directory: Path, answers: Sequence[Answer]) -> list[Answer]:
    """Those in which a token is not the likeliest one by the weights in that directory."""
    scores = _log_probs(directory, answers)
    pairs = zip(answers, scores, strict=True)
    return [one for one, found in pairs if found.argmax(-1).tolist() != one.ids]


def gap(directory: Path, answers: Sequence[Answer]) -> float:
    """The greatest difference between the log-probabilities that the server tells and those of these weights."""
    scores = _log_probs(directory, answers)
    return max(
        (found[range(len(one.ids)), one.ids] - torch.tensor(one.log_probs)).abs().max().item()
        for one, found in zip(answers, scores, strict=True)
    )


def _log_probs(directory: Path, answers: Sequence[Answer]) -> list[torch.Tensor]:
    """Those of all tokens at each place behind a prompt."""
    model = AutoModelForCausalLM.from_pretrained(directory)
    found = []
    with torch.inference_mode():
        for one in answers:
            logits = model(torch.tensor([one.prompt + one.ids])).logits[0].float()
            found.append(logits[len(one.prompt) - 1 : -1].log_softmax(-1))
    return found
