"""What does the jobs: a process for each device, which has the models and calls the workflows."""
