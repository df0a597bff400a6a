"""The sandbox: every outcome, and nothing bought."""
