"""Metrics of detector scores: error rates, information, confidence intervals, tables.

Scores are higher = more bona fide everywhere. A trial is accepted as bona fide when its score is at
or above the threshold. All rates are fractions in [0, 1].
"""
