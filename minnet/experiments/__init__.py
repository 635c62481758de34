"""Experiments of the articles, and measurements of the articles' claims."""
