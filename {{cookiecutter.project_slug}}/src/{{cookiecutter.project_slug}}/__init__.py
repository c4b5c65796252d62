"""The team's own code. It is empty to begin with: what several projects need belongs in the shared library."""
