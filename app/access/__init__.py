"""Logins: how people prove who they are in a browser, whether they are staff or customers."""
