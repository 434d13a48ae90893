"""TensorFlow as every module of the project imports it: graph mode, on either of the two supported stacks.

The *legacy* stack is TensorFlow 1.15 on Python 3.7, the reference. The *modern* stack is TensorFlow 2.16 or newer, of
which the version 1 interface is used, with version 2 behaviour switched off. No other module asks which one runs.
"""

import os

# TensorFlow reads these when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no notes on CPU features or on missing GPU libraries
# Otherwise every session gets the thread pool of the first one, such as the two threads of an image reader.
os.environ["TF_OVERRIDE_GLOBAL_THREADPOOL"] = "1"

import tensorflow.compat.v1 as tf  # noqa: E402

__all__ = ["MODERN", "tf"]

MODERN = not tf.__version__.startswith("1.")

tf.logging.set_verbosity(tf.logging.ERROR)  # deprecation warnings are addressed to developers
if MODERN:
    tf.disable_v2_behavior()
