"""What a trained model is measured by: the scores, the suite of prompts, the replica meter."""
