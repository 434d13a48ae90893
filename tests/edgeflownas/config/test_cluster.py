from typing import Any, Dict

import pytest

from edgeflownas.config import ClusterConfig, validate
from edgeflownas.errors import InputError

GOOD: Dict[str, Any] = {
    "partition": "gpu,long",
    "account": "my_lab-01",
    "qos": "normal",
    "hours": 12,
    "gpus": 2,
    "gpu_type": "a100",
    "memory_gb": 32,
    "modules": ["cuda/10.0", "gcc/7.5.0+x"],
    "conda": "/home/me/envs/efn",
    "environment": {"A_1": "anything; $(at) all '\""},
    "directives": ["--constraint=a100|v100", "--exclude=node[1-3],node7", "--nice", "--mail-user=me@lab.org"],
}


def test_valid_settings_are_accepted() -> None:
    validate(GOOD, ClusterConfig, "cluster")
    validate({}, ClusterConfig, "cluster")


@pytest.mark.parametrize(
    "changes, named",
    [
        ({"partition": "gpu; rm -rf ~"}, "partition"),
        ({"partition": "gpu\n#SBATCH --uid=0"}, "partition"),
        ({"partition": "gpu\n"}, "partition"),
        ({"partition": "-x"}, "partition"),
        ({"account": "$(id)"}, "account"),
        ({"qos": "a b"}, "qos"),
        ({"gpu_type": "a100 --uid=0"}, "gpu_type"),
        ({"modules": ["cuda; id"]}, "modules"),
        ({"modules": ["-x"]}, "modules"),
        ({"conda": "env`id`"}, "conda"),
        ({"conda": "-p"}, "conda"),
        ({"environment": {"A B": "1"}}, "environment"),
        ({"environment": {"A=1;B": "1"}}, "environment"),
        ({"environment": {"A": "1\nid"}}, "the value of A should be one line of printable"),
        ({"environment": {"A": "1\x1b"}}, "environment"),
        ({"environment": {"A": 1}}, "environment"),
        ({"directives": ["-p gpu"]}, "directives"),
        ({"directives": ["--comment=a b"]}, "directives"),
        ({"directives": ["--comment=a\n id"]}, "directives"),
        ({"directives": ["--comment=a;id"]}, "directives"),
        ({"directives": ["--comment=`id`"]}, "directives"),
        ({"directives": ["--array=0-99"]}, "--array: is set by"),
        ({"directives": ["--arr=0-99"]}, "--arr: is set by"),
        ({"directives": ["--no-requeue"]}, "--no-requeue: is set by"),
        ({"directives": ["--time=1"]}, "--time: is set by"),
        ({"gpus": 0}, "gpu_type: needs gpus"),
        ({"hours": 0.1}, "save_seconds"),
        ({"throttle": 0}, "throttle"),
        ({"walltime": 3}, "walltime: no such key"),
    ],
)
def test_settings_with_a_special_meaning_to_a_shell_or_slurm_are_refused(changes: Dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named) as refused:
        validate({**GOOD, **changes}, ClusterConfig, "cluster")
    assert "\n" not in str(refused.value)
