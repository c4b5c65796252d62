"""A generated project's life: what is wrong with it, and what it is installed from where there is no internet."""
