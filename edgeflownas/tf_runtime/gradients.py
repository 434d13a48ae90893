"""Hand-written gradients of parts of a graph."""

from typing import Any, Callable, List, Sequence, Tuple

from edgeflownas.tf_runtime.stack import tf

Gradient = Callable[..., Sequence[tf.Tensor]]  # of the gradients by the outputs; returns those by the inputs

_KEY = "edgeflownas/gradient/"  # beginning of the name of the graph's collection that holds the gradient of an operator
_OPERATOR = "EdgeFlowNASGradient"


def attach_gradient(outputs: Sequence[tf.Tensor], inputs: Sequence[tf.Tensor], gradient: Gradient) -> List[tf.Tensor]:
    """Replace the gradient of outputs with respect to inputs by a function.

    ``tf.custom_gradient`` does the same, but it registers the function for the lifetime of the process. The function
    holds tensors, so graphs would never be freed. Here, every graph owns its gradients. ``tf.custom_gradient`` also
    searches the whole graph for variables at every call.

    Args:
        outputs: Tensors computed from the inputs.
        inputs: Tensors that the outputs depend on; gradients with respect to other tensors are cut off.
        gradient: Function that maps the gradients with respect to the outputs to those with respect to the inputs.

    Returns:
        The outputs, with the new gradient.
    """
    graph = tf.get_default_graph()
    with graph.gradient_override_map({"IdentityN": _OPERATOR}):
        results = tf.identity_n([*outputs, *inputs])
    graph.add_to_collection(_KEY + results[0].op.name, (len(outputs), gradient))
    return list(results[: len(outputs)])


@tf.RegisterGradient(_OPERATOR)
def _compute_gradient(operator: Any, *upstream: tf.Tensor) -> List[Any]:
    ((count, gradient),) = operator.graph.get_collection(_KEY + operator.name)
    by_inputs: Tuple[tf.Tensor, ...] = tuple(gradient(*upstream[:count]))
    return [None] * count + list(by_inputs)
