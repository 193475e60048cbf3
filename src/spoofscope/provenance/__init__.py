"""Where results come from: what jobs record, audits of it, and the research object."""
