"""Tables and the page that a reader gets."""
