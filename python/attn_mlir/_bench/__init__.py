"""The parts of attn-bench."""
