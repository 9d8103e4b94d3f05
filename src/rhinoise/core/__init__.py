"""Words that every layer speaks: shapes, errors, configuration, pictures, files, randomness."""
