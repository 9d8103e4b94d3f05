"""The stages of a training: what each shares with the others, how one is run, what it leaves to the next."""
