"""The plan of a study: which files are made, by which jobs, from what.

One module per stage. Each has a class with the targets that the stage offers, and one method per
rule that says what a job of it reads and is given. Parsed again by every process of a cluster job,
so nothing heavy may be imported.
"""
