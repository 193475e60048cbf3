"""Augmentation: effects found by name in `registry`, chained in `chain`, stored by `copies`.

Nothing here imports torch; every random choice comes from the generator that is passed in.
"""
