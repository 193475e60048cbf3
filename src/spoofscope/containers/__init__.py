"""Checks of the structure of audio files, before decoding.

Decoders hide faults: they shorten a file that was cut, skip damaged parts, and stop at the length
in the header. So these modules follow the structure of a file from its first to its last byte,
without decoding, and refuse files that are cut, damaged or followed by other data. There is one
module per family of formats.
"""
