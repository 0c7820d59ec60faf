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
    "cut": "The share of all solutions, greedy and sampled, that were cut at the length limit. It is shown where it is"
    " above 5 % for some arm.",
    "95 % interval": "The range in brackets. Of 100 studies like this one, about 95 have a range that holds the true"
    " value. It allows for both other seeds and other questions, each of which would give another accuracy (analysis"
    " of variance, Clark's quasi F), and is never narrower than a t-interval over the seeds alone. With one seed it is"
    " over questions, and says nothing of how another seed would end.",
    "difference": "The accuracy of an arm minus that of the reference. All arms answer the same questions, so the two"
    " are compared question by question. They are not compared seed by seed, since two recipes with one seed soon draw"
    " different things. Each arm may vary as much as it does (Welch's test).",
    "primary outcome": "The one measure on one set that the conclusion is about. A study names it before anything is"
    " run, so that nobody can pick the figure that looks best. The ranges of its differences hold for all arms"
    " together: of 100 such tables, about 95 are right about every arm.",
    "exploratory": "All other outcomes. Their ranges and p-values are of each arm alone: some will look clear"
    " by chance.",
    "p": "How often chance alone would show a difference at least as large, if the two were equally good in"
    " truth. It is"
    " at most 0.05 exactly where the range of the difference leaves out 0.",
    "p (corrected)": "The p-value, made larger because several arms are compared and one of many is easily"
    " below 0.05 by"
    " chance: at most 5 of 100 such tables call any arm better or worse that is not. An arm is called so where it is"
    " at most 0.05 and there are two seeds or more. The range of the difference then leaves out 0; an end shown as"
    " 0.000 is just outside. The method is Holm's in a truncated form: Holm's own would leave no range for"
    " such arms but"
    " above or below 0. So p may be above what other software gives for Holm, and is never above Bonferroni's.",
    "p (all looks)": "The p-value of a study that adds seeds until it is decided, made larger because it looked several"
    " times, and (by Bonferroni's method) because it compares several arms. It is at most 0.05 exactly where some look"
    " has decided.",
    "detectable": "How large a true difference must be for a study like this to find it in 80 of 100 repetitions (80 %"
    " power). A smaller one is likely to be missed, so no conclusion does not mean no difference. For the primary"
    " outcome it allows for the number of arms. The word none means that not even a difference of 1 would be found.",
    "interquartile mean": "The mean over runs without the best and the worst quarter of them, so that one odd run does"
    " not decide. It needs four runs.",
    "probability of improvement": "How often a run of the arm beats a run of the reference, over all pairs of runs, on"
    " these questions; 0.5 is no improvement. With fewer than about six seeds its range is rough.",
}
"""The words of a comparison of runs."""
