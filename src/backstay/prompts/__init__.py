"""Prompts: named, versioned templates in files and in code, rendered so that a user's text stays a user's text."""

from backstay.prompts.library import PromptLibrary, shipped
from backstay.prompts.rendered import Rendered
from backstay.prompts.template import Template, Variable

__all__ = ["PromptLibrary", "Rendered", "Template", "Variable", "shipped"]
