"""Checkpoints with random weights and real sizes, to measure and to test what export does. They answer nonsense."""
