"""Kits: applications over the layer's public face, each a package with schema, prompts, offline rules, workflow and report."""
