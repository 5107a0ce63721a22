"""Hostile input of every kind: how a case is made, and how it is tried.

A maker takes a seeded `random.Random` and returns a `Case`. `benchmarks/hostile_input.py` tries
thousands, each in a child; the tests draw some from Hypothesis, which finds the shortest.
"""
