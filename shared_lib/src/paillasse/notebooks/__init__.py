"""Proving notebooks: the pytest plugin around nbval (`plugin`, `proof`), and refreshing stored outputs (`refresh`).

`pytest --nbval notebooks` executes every notebook and compares what it gives with what it shows;
`refresh` executes them anew and stores what they give. Both compare with `compare.differences`.
Nothing is imported here: pytest loads this package at every start.
"""
