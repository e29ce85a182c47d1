"""What a program imports as `hsml.llm`."""
