"""Where the workflow lies."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
"""The folder of the workflow; of an installed package there is none."""
