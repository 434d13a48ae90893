"""TensorFlow sessions, as every part of the project opens them."""

from typing import Any, Mapping, Optional

import numpy as np

from edgeflownas.tf_runtime.devices import Devices
from edgeflownas.tf_runtime.stack import tf


class _Session(tf.Session):
    """Says that the memory is full as everything else does."""

    def run(self, *words: Any, **others: Any) -> Any:
        """What ``tf.Session.run`` does."""
        try:
            return super().run(*words, **others)
        except tf.errors.ResourceExhaustedError as error:
            what = str(error.message).splitlines()[0]
            raise MemoryError(f"out of memory: {what}; use smaller batches, or fewer workers side by side") from None


def open_session(graph: tf.Graph, threads: int, devices: Optional[Devices] = None) -> tf.Session:
    """A session that computes with so many CPU threads, and takes GPU memory only as it needs it.

    It sees these devices alone; None: whatever there is.
    """
    config = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    config.use_per_session_threads = True
    config.gpu_options.allow_growth = True
    if devices is not None:
        devices.restrict_session(config)
    # The optimizer of graphs takes seconds for each new set of fetches, and was not measured to save any here.
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return _Session(graph=graph, config=config)


def load_variables(
    session: tf.Session, variables: Mapping[str, tf.Variable], values: Mapping[str, np.ndarray]
) -> None:
    """Sets variables to values of the same names, in one call: one call each takes seconds for a supernet."""
    initial = {variables[name].initializer.inputs[1]: values[name] for name in variables}
    session.run([variable.initializer for variable in variables.values()], initial)
