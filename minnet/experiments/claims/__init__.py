"""Claims of the articles, each with its measurement, rule and verdict."""
