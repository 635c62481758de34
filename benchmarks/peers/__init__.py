"""The candidates, one file for each library.

A file contains tasks: functions that set everything up and return the callable to time, which takes
no arguments. Each file imports its library at the top, because it runs in a process of its own.
"""
