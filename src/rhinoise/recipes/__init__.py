"""Complete, named configurations: functions that return a Recipe."""
