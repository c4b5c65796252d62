"""Finds patient-level data in notebooks and files: what a person would not see and a file holds all the same.

A scan takes every file apart into tables, arrays and texts, however they are wrapped (`dissection`), judges these by
a few rules (`rules`, `identifiers`), and sets aside what is public by its content (`known`) or allowed by a person
(`allow`). A finding names the place, the kind and the number of patients, never a value.
"""
