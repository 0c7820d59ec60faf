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
    "update norm": "How far an optimizer step moves the weights: the square root of the sum of the squares of all"
    " changes. It is what learning rate, clipping and Adam's moments make of the gradient.",
    "zero gradient": "A step from which nothing can be learned, such as one of RL where the rewards of every group are"
    " equal. The optimizer leaves such a step out, unless train.step_on_zero_gradient is true.",
    "expert trace": "The worked solution of a training question, as the data hold it.",
    "FLOPs": "Floating-point operations, estimated from the number of parameters and of tokens.",
}
"""The words of the report of a run."""

COMPARISON = {
    "arm": "One recipe: runs whose settings are the same but for the seed. All arms are compared with the reference.",
    "base model": "The model from which all runs began, evaluated before training. Its interval is over questions.",
    **_ACCURACIES,
    "pass@k": "The share of questions of which at least one of k sampled solutions is correct.",
    "95 % interval": "The range in brackets. Seeds and questions both count as samples of more of their kind: the range"
    " comes from an analysis of variance of both (Clark's quasi F), and is never narrower than a t-interval over the"
    " seeds alone. With one seed it is over questions, and says nothing of how another seed would end.",
    "difference": "The accuracy of an arm minus that of the reference. Questions are paired, since both answered the"
    " same ones; seeds are not, and each arm has a variance of its own (Welch's test).",
    "primary outcome": "The one measure on one set that was to be compared before anything was run. The ranges of its"
    " differences hold for all arms together: of 100 such tables, about 95 are right about every arm.",
    "exploratory": "All other outcomes. Their ranges and p-values are of each arm alone.",
    "p": "The chance of a difference at least as large if there were none. It is at most 0.05 exactly where the range"
    " of the difference leaves out 0.",
    "p (Holm)": "The same, corrected for all arms by Holm's method, truncated by half so that the ranges of decided"
    " arms stay narrow. There is a conclusion where it is at most 0.05 and the arms have two seeds or more. An end of a"
    " range at 0.000 then means that 0 is just outside.",
    "p (all looks)": "The p-value of a study that adds seeds until it is decided: corrected for its looks and, by"
    " Bonferroni's method, for all arms. It is at most 0.05 exactly where some look has decided.",
    "detectable": "The smallest true difference that a study like this finds with 80 % power, at an error level of 0.05"
    " (for the primary outcome: divided by the number of arms). The word none means that only a difference above 1"
    " would be found.",
    "interquartile mean": "The mean over runs without the best and the worst quarter of them, so that one odd run does"
    " not decide. It needs four runs.",
    "probability of improvement": "The share of pairs, a run of the arm and one of the reference, in which the arm's is"
    " better on these questions; 0.5 is no improvement. Its range is exact enough from about six seeds.",
}
"""The words of a comparison of runs."""
