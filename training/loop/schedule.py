"""Learning rates as pure functions of a run's progress."""

from math import cos, pi

from training.recipe import TrainingOptions


def learning_rate(settings: TrainingOptions, *, step: int, progress: float) -> float:
    """The rate of one step.

    Args:
        settings: rates and the schedule's name.
        step: steps done so far, for the warm-up.
        progress: 0 at the start of the run, 1 at its end, by steps or minutes.
    """
    high, low = settings.learning_rate, settings.final_learning_rate
    if settings.schedule == "one-cycle":  # Smith 2018, with torch's shape: 30 % up from high / 25, then down
        if progress < 0.3:
            return _cosine(high / 25, high, progress / 0.3)
        return _cosine(high, low, (progress - 0.3) / 0.7)
    warmup = min(1.0, (step + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
    if settings.schedule == "halving":
        return warmup * max(low, high * 0.5 ** (step // settings.halve_every))
    return warmup * _cosine(high, low, progress)


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * 0.5 * (1 + cos(pi * min(progress, 1.0)))
