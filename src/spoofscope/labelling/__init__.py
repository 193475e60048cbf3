"""Labels that people give to explanations: packs of clips, the store of answers, agreement."""
