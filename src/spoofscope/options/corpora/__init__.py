"""What readers of corpora can be told, a module each; `options.components` knows them all."""
