"""The claims of the articles: what each states, what is measured, the rule, and the verdict."""
