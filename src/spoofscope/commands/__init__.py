"""The commands of the command line, a module each: `add` declares its options, `run` runs it."""
