"""What the structure of an audio file says, before anything is decoded.

Decoders conceal: they shorten what is cut, skip what is damaged, and stop where a header says so.
So the files' own structure is followed from their first to their last byte here, without decoding,
and what is cut, damaged or followed by something else is refused. One module per family of formats.
"""
