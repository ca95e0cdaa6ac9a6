"""Denials: a health insurer's denial letter to facts, a route, an action plan and a pack of documents, each item grounded.

`workflow.work_case` does it all; `backstay denial LETTER --out DIR` is the same on the command line. Nothing here needs a key
or a network, and everything says whether a model or rules wrote it. It is help with paperwork, not medical or legal advice.
"""
