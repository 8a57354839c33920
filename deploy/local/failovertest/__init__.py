"""Breaks a local cluster under load, and measures what clients see of each failure.

`cli` parses the command line and `run` runs the events one after another. `events` defines them. `probe` sends requests
at a steady rate, `feed` listens, `watch` polls the nodes, and `load` runs `seeder load` and `seeder check`. `measure`
has the arithmetic, `judge` the targets, and `report` the table.
"""
