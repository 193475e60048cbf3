"""The mini corpus: an artificial talker, spoofing systems with known cues, noises and rooms."""
