"""predictions.jsonl in, numbers out; neither torch nor a recipe is needed."""
