"""The types and limits of the data settings; conf/data/ holds their values."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from hybrid_rl.types import Section, refuse

MOST_OPERATIONS = 16  # the ledger labels its operations a to p
Range = tuple[int, int]
"""The fewest and the most, both included."""
Operation = Literal["+", "-", "*"]


def _within(low: int, high: int) -> AfterValidator:
    """The rule that both ends of a range lie between two limits."""

    def check(found: Range) -> Range:
        if not low <= found[0] <= found[1] <= high:
            refuse(f"must be two increasing numbers from {low} to {high}; give a range within that")
        return found

    return AfterValidator(check)


class HubSource(Section):
    """A data set on the Hugging Face hub."""

    kind: Literal["hub"]
    path: str
    """The name of the data set, as OWNER/NAME."""
    config: str | None = None
    """The configuration of the data set, where it has several."""
    split: str
    """The split of the data set, such as train."""
    revision: str | None = None
    """A branch, tag or commit; null: the newest."""
    limit: int | None = Field(default=None, ge=1)
    """The most rows that are read, the first ones; null: all."""
    stream: bool = False
    """Whether the first `limit` rows are read as they come, without the download of the whole data set."""

    @field_validator("stream")
    @classmethod
    def _limited(cls, stream: bool, info: ValidationInfo) -> bool:
        if stream and info.data.get("limit") is None:
            refuse(
                "needs a limit beside it, for a run checks, splits and counts its questions before it starts; give such"
                " as limit: 20000"
            )
        return stream


class FileSource(Section):
    """Local files, read one after the other."""

    kind: Literal["file"]
    path: str | list[str]
    """One file or several of the kinds jsonl, json, parquet, csv; relative to the directory of launch."""
    limit: int | None = Field(default=None, ge=1)
    """The most rows that are read, the first ones; null: all."""


class LedgerSource(Section):
    """The generator of the embedded default task."""

    kind: Literal["ledger"]
    size: int = Field(ge=1)
    """How many questions are made."""
    seed: int
    """The seed of the generator; the same seed makes the same questions."""
    operations: Annotated[Range, _within(1, MOST_OPERATIONS)]
    """The fewest and the most operations of a question."""
    subtractions: Range | None
    """The fewest and the most subtractions, the difficulty level; null: each sign is a fair coin."""
    traces: Literal["verbose", "terse", "mixed"]
    """The lines that the expert writes: every one, every third, or either by question (0.4 to 0.6)."""

    @field_validator("subtractions")
    @classmethod
    def _fitting(cls, found: Range | None, info: ValidationInfo) -> Range | None:
        if found is not None and "operations" in info.data:
            fewest, most = info.data["operations"]
            if not (0 <= found[0] <= found[1] <= most and found[0] <= fewest):
                refuse(
                    f"must be two increasing numbers from 0 to {most}, the most operations, the first at most {fewest},"
                    " the fewest; give a range within that"
                )
        return found


class ChainSource(Section):
    """The generator of chained sums."""

    kind: Literal["chain"]
    size: int = Field(ge=1)
    """How many questions are made."""
    seed: int
    """The seed of the generator; the same seed makes the same questions."""
    terms: Annotated[Range, _within(2, 20)]
    """The fewest and the most terms of a sum, the difficulty level."""
    low: int = Field(ge=0, le=10**6)
    """The smallest term."""
    high: int = Field(ge=0, le=10**6)
    """The largest term."""
    operations: list[Operation] = Field(min_length=1)
    """The operations that are drawn from, each as likely as the others: any of "+", "-" and "*"."""

    @field_validator("high")
    @classmethod
    def _not_below(cls, high: int, info: ValidationInfo) -> int:
        if high < (low := info.data.get("low", 0)):
            refuse(f"must be at least {low}, the smallest term; give more, or a smaller low")
        return high

    @field_validator("operations")
    @classmethod
    def _not_differences_alone(cls, found: list[Operation]) -> list[Operation]:
        if len({*found}) < len(found):
            refuse("must name each operation once; leave the second one out")
        if found == ["-"]:
            refuse('must have "+" or "*" beside "-", for no result may be below zero; add one')
        return found


class KnightsSource(Section):
    """The generator of puzzles of knights and knaves."""

    kind: Literal["knights"]
    size: int = Field(ge=1)
    """How many questions are made."""
    seed: int
    """The seed of the generator; the same seed makes the same questions."""
    people: Annotated[Range, _within(2, 8)]
    """The fewest and the most inhabitants, the difficulty level; 2 to 8."""


class GymSource(Section):
    """A task of the library reasoning-gym, which is optional: pip install 'hybrid-rl[reasoning-gym]'."""

    kind: Literal["reasoning_gym"]
    task: str
    """The name of the task, such as chain_sum or gsm_symbolic."""
    size: int = Field(ge=1)
    """How many questions are made."""
    seed: int
    """The seed of the generator; the same seed makes the same questions."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The task's own settings, by the library's names, such as {max_terms: 5}."""


Source = Annotated[
    HubSource | FileSource | LedgerSource | ChainSource | KnightsSource | GymSource,
    Field(discriminator="kind"),
]


def describe(source: Source) -> str:
    """The source in a few words, for messages."""
    match source:
        case HubSource():
            return " ".join(filter(None, (source.path, source.config, source.split)))
        case FileSource():
            return source.path if isinstance(source.path, str) else ", ".join(source.path)
        case LedgerSource() | ChainSource() | KnightsSource():
            return f"the {source.kind} generator"
        case GymSource():
            return f"task {source.task} of reasoning-gym"


class Columns(Section):
    """Jinja2 templates over the columns of a row, such as `{{ question }}` or `{{ messages[-1].content }}`.

    A list is printed with its items joined by newlines. Every value that is printed must have a text: write
    `{{ hint or "none" }}`, or `{% if hint %}{{ hint }}{% endif %}`, for one that a row may lack. A column whose name is
    no identifier is `{{ row["odd name"] }}`. The generators have the columns question, answer, trace and level; kind
    reasoning_gym has question, answer, metadata and entry.
    """

    id: str | None
    """The id of the question; null: a hash of its text."""
    prompt: str
    """The question. Splits are compared by the columns in it, without the words around them. A template that is one
    expression, and gives a list of messages, each with role and content, is a conversation as it is: system message and
    earlier turns are kept, and an answer at its end is left out. auto: the column question, else TRL's prompt, else
    messages."""
    answer: str
    """The gold answer, which data.answer_pattern may cut out of it."""
    trace: str | None
    """The expert's solution, read for train alone. A row whose columns here are all empty has none. auto: TRL's
    completion beside prompt, or the answer at the end of messages, where the prompt is found there; else none."""
    level: str | None
    """The difficulty level, by which evaluation is broken down."""


class DataSettings(Section):
    """The sources of all splits, and how their rows become questions."""

    name: str
    directory: str | None
    """A folder of local files; it is no more than a name for presets to use in paths, as ${data.directory}."""
    train: Source | None
    """The source of the questions to learn from; null: there are test sets alone."""
    dev: Source | Annotated[int, Field(ge=0)]
    """A source of its own, or the number of questions of `train` to hold out."""
    dev_seed: int
    """The seed of the hash that chooses the questions held out; a question's own hash stays when rows are added."""
    test: dict[str, Source]
    """The source of each test set, by its name."""
    columns: Columns
    test_columns: dict[str, Columns]
    """The columns of a test set, by its name, where they differ; the two patterns below are not applied to it."""
    system: str | None
    """The system message; null: none."""
    instruction: str | None
    """How to answer, so that the verifier can read it; it follows the question in every prompt, after a blank line."""
    answer_pattern: str | None
    """A regular expression; its first group is the gold answer within the answer column."""
    remove_pattern: str | None
    """A regular expression; what it matches is removed from traces (GSM8K's calculator marks)."""
    traces: Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0, le=1)] | None
    """How many training questions keep their trace: a count or, with a decimal point, a share of those that have one;
    null: all. More traces always include those of fewer."""
    traces_seed: int
    """The seed that draws which questions keep their trace."""
    on_bad_row: Literal["refuse", "drop"]
    """What is done about a missing value, an unparseable gold answer, an id used twice, or a trace that does not reach
    its answer."""
    on_overlap: Literal["refuse", "drop"]
    """What is done about a question of train that is also in dev or test, one of dev that is in test, or one that comes
    twice, by a hash of its normalised text. It is dropped from the split named first; test sets are never changed."""
    on_long_prompt: Literal["refuse", "drop"]
    """What is done about a prompt longer than max_prompt_tokens, in any split."""
    max_prompt_tokens: int = Field(ge=1)
    """The longest prompt, in tokens."""
