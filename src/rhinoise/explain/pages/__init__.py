"""Pages for a browser: one file each, offline, light and dark, printable. The home of jinja2."""
