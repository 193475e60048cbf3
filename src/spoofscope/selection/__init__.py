"""What is decided on development data: the best checkpoint, the threshold, the calibration.

Training selects by the error rates in here, so an edit of this package is a reason to train again.
All other numbers are in :mod:`spoofscope.metrics`, which no training depends on.
"""
