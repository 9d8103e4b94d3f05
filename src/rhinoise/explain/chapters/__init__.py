"""Chapters of the lab book: records => sentences, pictures and figures."""
