"""Graphs of the body, convolutions over them, and stacks of these."""
