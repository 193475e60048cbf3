"""What augmentation effects can be told, a module each; `options.components` knows them all."""
