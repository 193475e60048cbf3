"""spoofscope: from one study file to every number and figure of a speech-deepfake-detection paper.

Importing this package is cheap: nothing heavy is loaded before it is used.
"""

__version__ = "0.1.0"
