"""The mini corpus: an artificial talker, attacks with known cues, noises and rooms."""
