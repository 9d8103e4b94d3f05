"""Everything over HTTP: one queue of jobs, a worker that has the models, three APIs and a page.

This side knows no torch: it is up while the models load. What takes a model is a job, and the worker, a
process of its own, does it by calling the same workflows as the command line.
"""
