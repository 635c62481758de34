"""The claims of the articles, each with what is measured, the rule that judges, and a verdict."""
