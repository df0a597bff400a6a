"""The domain of staff."""
