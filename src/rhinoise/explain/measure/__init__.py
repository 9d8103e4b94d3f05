"""Numbers of models and pictures, without a drawing."""
