"""Tables that sum up results, and what figures and the report read of them."""
