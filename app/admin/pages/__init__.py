"""The admin in a browser: one file per noun, on one ground: sign-in, layout, forms, errors."""
