"""Calibration: make "90 % sure" mean right in 90 of 100 cases.

A stated confidence is a number that some source made up; labelled history (stated confidence, was it right) tells what it
is worth. `fit` learns a map from stated to true probability:

    identity       no change (fewer than 10 labels: nothing can be learned, and it says so)
    temperature    one parameter: sharpens or softens; keeps 0.5            Guo et al. 2017
    platt          two parameters on the log-odds: also shifts              Platt 1999
    beta           three parameters: bends the two ends differently         Kull, Silva Filho, Flach 2017
    histogram      the share of right answers per bin                       Zadrozny, Elkan 2001
    isotonic       the best non-decreasing step map                         Zadrozny, Elkan 2002
    auto           whichever of these has the least cross-validated log loss

A single multiplicative factor is not among them, because it cannot mend over-confidence that is symmetric: its factor is 1.
Needs numpy (`pip install 'backstay[calibration]'`), which nothing outside this package imports.
"""

from backstay.extract.calibrate.calibrator import METHODS, MIN_LABELS, Calibrator, cross_validate, fit, load
from backstay.extract.calibrate.score import accept_threshold, brier, ece, ece_interval, log_loss, reliability

__all__ = [
    "METHODS", "MIN_LABELS", "Calibrator", "accept_threshold", "brier", "cross_validate", "ece", "ece_interval", "fit",
    "load", "log_loss", "reliability",
]  # fmt: skip
