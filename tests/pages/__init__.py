"""The admin in a browser, over real HTTP."""
