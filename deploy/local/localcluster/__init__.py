"""A Patroni cluster on one machine, for development and tests.

`cli` parses the command line and `commands` does what it asks. `bring_up` is the walk from nothing to a cluster with
servers. `supervisor` is the process that holds all others; `control` talks to it. `settings` names every path and
port, `programs` every command line.
"""
