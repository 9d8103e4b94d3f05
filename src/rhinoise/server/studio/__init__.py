"""The page: a tab per thing one does, in Gradio. It shows what `jobs` knows, and asks for jobs; no more.

Nothing it needs comes from elsewhere: fonts are the system's, scripts Gradio's own from its package.
"""
