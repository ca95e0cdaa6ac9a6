"""Configuration: defaults, a TOML file, the environment, arguments; merged, checked, explained, saved.

    setting.py      the settings themselves, one Struct per section: the single source of names, defaults and ranges
    schema.py       the tree read from them; did-you-mean
    file.py line.py environment.py variable.py usual.py entry.py    the sources, all as lists of entries
    check.py kind.py    one value judged: type, range, form
    trust.py choice.py  joint rules: where a key may go, which model is asked
    merge.py load.py    the order of precedence; `load` and `Loaded`
    reference.py    env:NAME, file:/path, keyring:service/user, resolved to a Secret
    explain.py save.py  the way back: what holds and why, and a file of it

No key is ever part of a `Config`; see `reference.py`.
"""

from backstay.config.explain import Row, explain, verify
from backstay.config.file import Source
from backstay.config.load import Loaded, load
from backstay.config.reference import resolve
from backstay.config.save import Saved, save
from backstay.config.setting import Config, Provider

__all__ = ["Config", "Loaded", "Provider", "Row", "Saved", "Source", "explain", "load", "resolve", "save", "verify"]
