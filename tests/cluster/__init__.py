"""Tests of the local cluster, and of what runs on it."""
