"""Detectors of unknown attacks (out of distribution): is a clip of none of the attacks of train?

A tracer gives a read-out vector and a logit for each known attack. A detector is fitted on those of
the train split, and says of others how unknown they are: `ood_score`, higher = more unknown,
whatever the sign of the published score.
"""
