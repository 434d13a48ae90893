"""TensorFlow Lite on both stacks: conversion of a graph, and an interpreter, without messages for developers."""

import importlib
import warnings
from typing import Any

from edgeflownas.tf_runtime.stack import MODERN, hide_native_messages, tf


def convert(converter: Any) -> bytes:
    """Run a ``tf.lite.TFLiteConverter`` in this process and return the content of the TFLite file."""
    if not MODERN:  # this switch of TensorFlow 1.15 would start a separate process, which takes seconds
        importlib.import_module("tensorflow.lite.python.convert")._toco_from_proto_bin = ""  # type: ignore[attr-defined]
    with hide_native_messages():
        return bytes(converter.convert())


def open_interpreter(model: bytes) -> Any:
    """Return a ``tf.lite.Interpreter`` of a TFLite network that uses the built-in kernels, with allocated tensors."""
    options = {}
    if MODERN:  # 1.15 has no delegate; XNNPACK, the default one since, rounds int8 values in its own way
        options["experimental_op_resolver_type"] = (
            tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a note to developers on the interpreter's successor
        interpreter = tf.lite.Interpreter(model_content=model, **options)
    interpreter.allocate_tensors()
    return interpreter
