"""Human recordings beside speech of synthesizers: engines, levelling, and the corpus of both."""
