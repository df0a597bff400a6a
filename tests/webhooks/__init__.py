"""What customers are told over HTTP."""
