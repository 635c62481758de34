"""Experiments of the articles, one command each, and the claims measured from them."""
