"""Tables that summarise results, with their readers for figures and the report."""
