"""What leaves: safe forms of runs in one bundle, which another person accepts or refuses item by item.

`bundle` makes it, `decide` is the checker's, `review` compares it with the releases before. `documents` says what is
written in its files.
"""
