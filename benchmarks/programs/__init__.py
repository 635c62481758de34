"""Complete programs for other libraries, timed from start to end."""
