"""The experiments of the articles, each one command."""
