"""The candidates, one file a library.

A file holds tasks: functions that set everything up and return what is to be timed, a callable
without arguments. Each imports its library at its top, for it is loaded in a process of its own.
"""
