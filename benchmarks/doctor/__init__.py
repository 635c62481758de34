"""Labelled trainings, on which the diagnosis of `minnet.Doctor` is measured."""
