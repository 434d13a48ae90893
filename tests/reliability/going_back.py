"""Promise 2 for whole commands: they refuse damaged files, and resume from the previous ones on request."""

import random
import shutil
from typing import Any, Dict

from edgeflownas.storage.files import previous
from tests.reliability import damage
from tests.reliability.crash import Scene, compare, reference, result

FILES = {
    "train": ("supernet/last.h5", "supernet/best.h5"),
    "evolve": ("search.h5",),
    "enumerate": ("space.h5",),
}  # by command with --from-previous


def check(scene: Scene, name: str, times: int, seed: int) -> Dict[str, Any]:
    """Damage one or all of the files of a finished run, and resume the command.

    Returns:
        The figures.
    """
    rng, expected = random.Random(f"{seed} {name}"), reference(scene, name).result
    ended = scene.folder / f"{name} undisturbed"
    for number in range(times):
        run = scene.folder / f"{name} back {number}"
        shutil.copytree(str(ended), str(run))
        damaged = rng.sample(FILES[name], rng.randint(1, len(FILES[name])))
        for file in damaged:
            assert previous(run / file).exists(), f"{name}: {file} has no previous file"
            (run / file).write_bytes(damage.damage((run / file).read_bytes(), rng))
        when = f"seed {seed}, damage {number}, of {', '.join(damaged)}"
        assert scene.call(name, run) == 2, f"{name}, {when}: is not refused"
        *_, line = (run / "output.log").read_text().strip().splitlines()
        assert "--from-previous" in line and any(str(run / file) in line for file in damaged), f"{name}, {when}: {line}"
        code = scene.call(name, run, more=["--from-previous"])
        assert code == 0, f"{name}, {when}: {(run / 'output.log').read_text()[-2000:]}"
        left = result(run)
        kept = {file for file in left if file.endswith(".1")}
        assert kept == {f"{file}.1" for file in damaged}, f"{name}, {when}: {kept} are kept"
        compare(name, {file: value for file, value in left.items() if file not in kept}, expected, when)
        shutil.rmtree(str(run))
    return {"command": name, "damaged": times, "refused": times, "equal": times}
