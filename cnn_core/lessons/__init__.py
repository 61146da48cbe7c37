"""Learning by doing: exercises that train a pair of runs and say what came of it, and the words that the program uses. Light: no torch."""
