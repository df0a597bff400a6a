"""Periodic side jobs on the same Postgres, one file per noun. Never the order path.

Each task may run twice without harm, so one that a dead worker left behind is simply tried again.
"""
