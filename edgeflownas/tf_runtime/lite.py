"""TensorFlow Lite on both stacks: conversion of a graph, and an interpreter, without messages for developers."""

import importlib
import warnings
from typing import Any

from edgeflownas.tf_runtime.messages import hide_native_messages
from edgeflownas.tf_runtime.stack import MODERN, tf


def convert(converter: Any) -> bytes:
    """Run a ``tf.lite.TFLiteConverter`` in this process and return the content of the TFLite file."""
    if not MODERN:  # this switch of TensorFlow 1.15 would start a separate process, which takes seconds
        importlib.import_module("tensorflow.lite.python.convert")._toco_from_proto_bin = ""  # type: ignore[attr-defined]
    with hide_native_messages():
        return bytes(converter.convert())


def open_interpreter(model: bytes, reference: bool = False) -> Any:
    """Return a ``tf.lite.Interpreter`` of a TFLite network, with allocated tensors.

    Args:
        model: Content of a TFLite file.
        reference: Whether to use the reference kernels, whose results equal those of TensorFlow Lite Micro, instead
            of the faster built-in ones. TensorFlow 1.15 has the built-in ones only.
    """
    options = {}
    if MODERN:  # 1.15 has no delegate; XNNPACK, the default one since, rounds int8 values in its own way
        kinds = tf.lite.experimental.OpResolverType
        kind = kinds.BUILTIN_REF if reference else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        options["experimental_op_resolver_type"] = kind
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a note to developers on the interpreter's successor
        interpreter = tf.lite.Interpreter(model_content=model, **options)
    interpreter.allocate_tensors()
    return interpreter


def describe_reference() -> str:
    """Return a noun phrase for the kernels that ``open_interpreter`` uses as reference."""
    kernels = "reference kernels" if MODERN else "built-in kernels, which may differ by 2 from the reference kernels"
    return f"TensorFlow Lite {tf.__version__} ({kernels})"
