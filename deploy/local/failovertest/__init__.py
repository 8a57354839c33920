"""Failures of a local cluster under load, and what clients see of each.

`cli` parses the command line and `run` does the events one after another. `events` says what each one does and what
must not happen in it. `probe` sends requests at a steady rate, `feed` listens, `watch` looks at the nodes, and `load`
runs `seeder load` and `seeder check`. `measure` has the arithmetic, `judge` the targets, and `report` the table.
"""
