"""Signal measures of utterances and frames, and how they relate to labels, scores and evidence."""
