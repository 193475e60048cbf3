"""Provenance of results: the records of jobs, their audit, and the research object."""
