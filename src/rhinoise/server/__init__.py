"""Everything over HTTP: one queue of jobs, a worker for each device, three APIs and a page.

This side knows no torch: it is up while the models load. What takes a model is a job, and a worker, a
process of its own that has the models, does it by calling the same workflows as the command line.
"""
