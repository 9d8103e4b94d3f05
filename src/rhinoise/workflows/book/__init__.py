"""The lab book's parts: what a run keeps of itself, what is asked of its model, the chapters of both."""
