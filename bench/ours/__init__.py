"""What is measured of us, each module a child process."""
