"""Where phones or characters, words and silences are in clips."""
