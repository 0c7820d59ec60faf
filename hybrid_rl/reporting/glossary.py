"""The words of reports, each explained in a sentence or two that a reader new to the field understands."""

_ACCURACIES = {
    "greedy": "The share of questions answered correctly when the model takes the likeliest token at every place, in"
    " one solution per question.",
    "avg@k": "The share of correct solutions among k that are sampled per question, as a mean over questions.",
    "maj@k": "The share of questions whose most frequent answer among k sampled ones is correct. Of equally frequent"
    " answers the one that was sampled first counts.",
}
RUN = {
    "95 % interval": "The range in brackets. Of 100 ranges that are made like this, about 95 hold the true value.",
    **_ACCURACIES,
    "pass@k": "The chance that at least one of k sampled solutions to a question is correct (unbiased estimate).",
    "truncated": "The share of all solutions, greedy and sampled, that were cut at the length limit. If it is high, the"
    " limit is too low.",
    "unparseable": "The share of all solutions in which no final answer was found.",
    "timed out": "The share of all solutions that the verifier could not decide within its time limit.",
    "SFT and RL": "Supervised fine-tuning on an expert's solutions, and reinforcement learning on the model's own.",
    "loss": "What an optimizer step lowers. In an RL step it says little: it is near 0 by construction, and may rise"
    " while rewards rise.",
    "expert trace": "The worked solution of a training question, as the data hold it.",
    "FLOPs": "Floating-point operations, estimated from the number of parameters and of tokens.",
}
"""The words of the report of a run."""

COMPARISON = {
    "arm": "One recipe: runs whose settings are the same but for the seed. All arms are compared with the reference.",
    **_ACCURACIES,
    "95 % interval": "The range in brackets. For an accuracy it is a bootstrap over seeds and questions; with S seeds"
    " it sees only (S - 1) / S of the variance between seeds.",
    "difference": "The accuracy of an arm minus that of the reference, over the seeds and questions that both have."
    " Both count as samples of more of their kind: the test is the quasi F of an analysis of variance, and it is never"
    " surer than a t-test over the seeds.",
    "p (Holm)": "The chance of a difference at least as large if there were none, corrected by Holm's method for all"
    " arms of a table. There is a conclusion where p is at most 0.05 and the arms share two seeds or more.",
    "detectable": "The smallest true difference that a study like this finds with 80 % power, at an error level of 0.05"
    " divided by the number of comparisons. The word none means that only a difference above 1 would be found.",
}
"""The words of a comparison of runs."""
