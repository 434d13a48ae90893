import re
from pathlib import Path

import pytest
import yaml

from edgeflownas.config import ChildConfig, Config, DataFile, TrainConfig, dump, load, read_yaml, validate
from edgeflownas.errors import InputError

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.fixture
def content():
    return yaml.safe_load(dump(load(CONFIGS / "demo.yaml")))


def written(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_config_is_valid_and_equal_after_dump_and_load(path, tmp_path):
    config = load(path)
    assert load(written(tmp_path, dump(config))) == config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("network.widht=8", r"network.widht: no such key \(did you mean width\?\)"),
        ("colour=red", r"colour: no such key \(did you mean data.colour or queue.train.data.colour or .*\?\)"),
        ("data.depth=3", r"data.depth: no such key \(allowed here: height, width, resize, kind, seed, train_pairs"),
        ("network.width=7", "network.width: should be a multiple of 2 .*got 7"),
        ("data.height=8", "data.height: should be greater than or equal to 16 .*got 8"),
        ("seed=99999999999999999999", "seed: should be less than 9223372036854775808"),
        ("train.epochs=ten", "train.epochs: should be a valid integer .*got 'ten'"),
        ("train.epochs=1.5", "train.epochs: .*got 1.5"),
        ("train.learning_rate=-1", "train.learning_rate: should be greater than 0 .*got -1"),
        ("train.learning_rate=.nan", "train.learning_rate: .*got nan"),
        ("train.learning_rate=.inf", "train.learning_rate: .*got inf"),
        ("data.kind=cityscapes", r"data.kind: no such kind of data \(allowed: procedural.*flyingchairs2.*sintel"),
        ("data={kind: sintl}", r"data.kind: no such kind of data \(did you mean sintel\?; got 'sintl'\)"),
        ("data={kynd: sintel}", r"data.kynd: no such key \(did you mean kind\?\)"),
        ("data={}", "data.kind: is missing and has no default"),
        ("epochs=3", r"epochs: no such key \(did you mean train.epochs or staged.epochs or queue.train.epochs\?\)"),
        ("queue.train=[{epochs: 1}, {epoch: 2}]", r"queue.train.1.epoch: no such key \(did you mean epochs\?\)"),
        ("queue.train=[{data: {kind: sintel}}]", "queue.train.0.data.root: is missing"),
        ("queue.train=[{data: {kind: sintel, rot: x}}]", r"queue.train.0.data.rot: no such key \(did you mean root"),
        ("queue.train=[{data: {kind: sintel, root: x, rut: x}}]", r"queue.train.0.data.rut: no such key .*val_scenes"),
        ("queue.train=[{data: {kind: sintel, root: x, roott: x}}]", r"roott: no such key \(did you mean root\?\)"),
        ("queue.train=[]", "queue.train: list should have at least 1 item"),
        ("queue.train.epochs=0", "queue.train.epochs: should be greater"),
        ("data={kind: kitti2015, root: x, scale: [2, 1]}", "data.scale: the lower bound comes first"),
        ("data={kind: kitti2015, root: x, colour: 1}", "data.colour: should be less than 1"),
        ("evolution.population=50", "evolution.population: should be a multiple of 4"),
        ("evolution.objectives=[epe, speed]", "evolution.objectives.1: should be 'epe', 'fps'"),
        ("evolution.objectives=[epe, epe]", r": evolution.objectives: should name every .* \(got \['epe', 'epe'\]\)$"),
        ("evolution.reference_point={epe: 3}", r": evolution.reference_point: needs a value for fps \(got {'epe"),
        (
            "evolution.max_sram_kib=300",
            r": evolution.max_sram_kib: is now constraints; write constraints: {sram_kib: {max: 300}} \(got 300\)$",
        ),
        ("evolution.constraints={fps: {min: 9, max: 8}}", "constraints.fps: min should not be larger than max"),
        ("evolution.constraints={fps: {}}", "constraints.fps: needs min or max"),
        ("evolution.constraints={epe: {max: 1}}", "constraints.epe"),
        ("evolution.constraints={fps: {least: 1}}", "constraints.fps.least: no such key"),
        ("network=8", "network: should be a section"),
        ("data=null", r": data.kind: is missing and has no default$"),
        ("queue.train.data.kind=list", r"queue.train.data: no such key \(only an item of a list has it; write"),
        ("name=../outside", "name: .*pattern"),
        ("evaluation.workers=0", "evaluation.workers: should be greater"),
        ("evaluation.scheduler=node:8786", "evaluation.scheduler: .*pattern"),
        ("evaluation={scheduler: 'tcp://node:1', workers: 2}", "evaluation.scheduler: the cluster has its own"),
    ],
)
def test_error_names_the_wrong_key_and_what_is_allowed(override, message):
    with pytest.raises(InputError, match=message) as caught:
        load(CONFIGS / "demo.yaml", [override])
    assert "\n" not in str(caught.value) and "demo.yaml" in str(caught.value)


def test_scoring_rules_do_not_include_the_workers():
    config = load(CONFIGS / "demo.yaml", ["evaluation.workers=3", "evaluation.devices=[0, 1]"])
    assert config.evaluation.rules == load(CONFIGS / "demo.yaml").evaluation.rules
    assert not {"workers", "devices", "scheduler"} & set(config.evaluation.rules.model_dump())


def test_recipe_with_stages_gives_one_training_per_stage():
    stages = "queue.train=[{epochs: 2, patience: 1}, {epochs: 3, data: {kind: middlebury, root: x}}]"
    config = load(CONFIGS / "demo.yaml", [stages])
    child = ChildConfig(
        architecture="0", seed=1, threads=1, network=config.network, data=config.data, train=config.queue.train,
        evaluation=config.evaluation.rules,
    )  # fmt: skip
    first, second = child.stages
    assert (first.train, first.data) == (TrainConfig(epochs=2, patience=1), config.data)
    assert (second.train, second.data.kind, child.epochs) == (TrainConfig(epochs=3), "middlebury", 5)
    assert first.stages == [first] and first.epochs == 2


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("data/*.yaml")), ids=lambda path: path.name)
def test_shipped_data_file_is_valid(path):
    data = validate(read_yaml(path, "data"), DataFile, str(path)).data
    assert data.kind in path.stem or path.stem.startswith(data.kind)


def test_procedural_data_has_the_keys_that_earlier_trainings_recorded():
    keys = ["height", "width", "kind", "seed", "train_pairs", "val_pairs", "layers", "motion"]
    assert list(load(CONFIGS / "demo.yaml").data.model_dump()) == keys  # compared when a training is resumed


def test_missing_key_is_named(content):
    del content["hardware"]["table"]
    with pytest.raises(InputError, match="hardware.table: is missing and has no default"):
        validate(content, Config, "config")


MINIMAL = {"name": "x", "data": {"kind": "procedural"}, "hardware": {"table": "table.yaml"}}


def test_all_wrong_and_missing_keys_are_named_at_once():
    content = {"name": "x", "trian": {"epochs": 3}, "hardware": {"table": "x", "vela_tmeout": 1.0}, "seed": -1}
    with pytest.raises(InputError) as caught:
        validate(content, Config, "config")
    *wrong, missing = str(caught.value).split("; ")
    assert sorted(wrong) == [
        "config: seed: should be greater than or equal to 0 (got -1)",
        "hardware.vela_tmeout: no such key (did you mean vela_timeout?)",
        "trian: no such key (did you mean train?)",
    ]
    assert missing == "data.kind: is missing and has no default"


def test_misspelt_section_is_not_also_missing():
    content = {**MINIMAL, "hardwear": MINIMAL["hardware"]}
    del content["hardware"]
    with pytest.raises(InputError) as caught:
        validate(content, Config, "config")
    assert str(caught.value) == "config: hardwear: no such key (did you mean hardware?)"


def test_message_about_many_wrong_keys_is_short():
    content = {**MINIMAL, **{f"{'k' * 500}{number}": 1 for number in range(1000)}}
    with pytest.raises(InputError, match="; and 990 more problems$") as caught:
        validate(content, Config, "config")
    assert len(str(caught.value)) < 5000


def test_sections_whose_keys_all_have_defaults_may_be_missing_or_empty():
    config = validate(MINIMAL, Config, "config")
    names = ("network", "train", "evaluation", "evolution", "queue", "staged", "independent", "cluster")
    assert config == validate({**MINIMAL, **dict.fromkeys(names)}, Config, "config")
    assert config == validate({**MINIMAL, **{name: {} for name in names}}, Config, "config")
    assert config == validate({**MINIMAL, "queue": {"train": None}}, Config, "config")
    assert config.queue.train == TrainConfig()


def test_every_key_without_a_default_is_named_for_an_empty_file(tmp_path):
    with pytest.raises(InputError) as caught:
        load(written(tmp_path, "# nothing yet\n"))
    required = "name, data.kind and hardware.table: are missing and have no default"
    assert str(caught.value).endswith(required)


def test_overrides_are_yaml_and_apply_to_keys_of_sections():
    config = load(CONFIGS / "demo.yaml", ["train.learning_rate=2e-4", "evolution.objectives=[epe]", "seed=7"])
    assert (config.train.learning_rate, config.evolution.objectives, config.seed) == (2e-4, ["epe"], 7)


def test_override_changes_only_the_stage_with_its_number():
    path = CONFIGS / "supernet_flyingchairs2_180x240.yaml"
    wanted = load(path).model_dump()
    wanted["queue"]["train"][0]["data"]["train_dir"] = "/mine"
    wanted["queue"]["train"][1]["epochs"] = 3
    config = load(path, ["queue.train.0.data.train_dir=/mine", "queue.train.1.epochs=3"])
    assert config.model_dump() == wanted


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("queue.train.2.epochs=3", "there is no item 2 in a list of 2, numbered from 0"),
        ("queue.train.first.epochs=3", "there is no item first in a list of 2"),
        ("queue.train.0={}", "queue.train is a list; set the whole list"),
        ("data.scale.0.x=1", "data.scale.0 is a value, not a section"),
    ],
)
def test_override_of_a_missing_list_item_is_refused(override, message):
    with pytest.raises(InputError, match=message):
        load(CONFIGS / "supernet_flyingchairs2_180x240.yaml", [override])


@pytest.mark.parametrize("override", ["train.epochs", "=3", "name.first=x", "seed=[1"])
def test_malformed_override_is_refused(override):
    with pytest.raises(InputError, match="--set"):
        load(CONFIGS / "demo.yaml", [override])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b\n", "duplicate key 'name'"),
        ("name: [", "is not valid YAML"),
        ("just text", "must contain keys and values"),
        ("!!python/object/apply:os.system ['true']", "is not valid YAML"),
        ("\x00", "is not valid YAML"),
        ("? [a]\n: 1\n", "is not valid YAML"),
        ("a: &a [*a]", "an alias stands inside the value that it refers to"),
        ("a: &a {b: [1, {c: *a}]}", "an alias stands inside the value that it refers to"),
        ("a: &a [1, 1]\nb: [*a, *a]\nc: " + "[" * 3 + "*a, *a" + "]" * 3, "no such key"),
    ],
)
def test_file_that_is_not_a_configuration_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        load(written(tmp_path, text))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="nothing.yaml: cannot be read"):
        load(tmp_path / "nothing.yaml")


def parse(tmp_path, text):
    return read_yaml(written(tmp_path, f"value: {text}\n"), "test")["value"]


@pytest.mark.parametrize(
    ("text", "value"),  # the examples and the table of YAML 1.2, section 10.3.2, and what version 1.1 reads differently
    [
        ("1:30", "1:30"), ("190:20:30", "190:20:30"), ("190:20:30.15", "190:20:30.15"), ("010", 10), ("08", 8),
        ("0o10", 8), ("0x1F", 31), ("0b101", "0b101"), ("1_000", "1_000"), ("1_000.5", "1_000.5"), ("+12", 12),
        ("007", 7), ("1e-4", 1e-4), ("1E3", 1e3), ("12e03", 12e3), (".5", 0.5), ("-1.", -1.0), ("1.5e+3", 1500.0),
        ("0.", 0.0),
        ("yes", "yes"), ("No", "No"), ("on", "on"), ("OFF", "OFF"), ("y", "y"), ("true", True), ("FALSE", False),
        ("tRUE", "tRUE"), ("2026-11-28", "2026-11-28"), ("=", "="), ("~", None), ("Null", None), ("", None),
        ("-.INF", float("-inf")), ("+.inf", float("inf")), ("-0", 0), ("0o8", "0o8"), ("0xg", "0xg"), (".", "."),
        ("'010'", "010"), ('"true"', "true"), ("!!int 010", 10), ("!!str 010", "010"),
    ],
)  # fmt: skip
def test_plain_values_are_read_by_the_core_rules_of_yaml_1_2(tmp_path, text, value):
    result = parse(tmp_path, text)
    assert result == value and isinstance(result, type(value)) and isinstance(result, bool) == isinstance(value, bool)


@pytest.mark.parametrize("text", ["!!int 1:30", "!!float 1:30", "!!int 1_0.0", "!!int x"])
def test_explicit_number_that_is_none_is_refused(tmp_path, text):
    with pytest.raises(InputError, match="is not valid YAML"):
        parse(tmp_path, text)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("cluster.hours=1:30", "cluster.hours: should be a valid number .*'1:30'"),
        ("train.epochs=1_0", "train.epochs: should be a valid integer .*'1_0'"),
        ("queue.warm_start=yes", "queue.warm_start: should be true or false .*'yes'"),
    ],
)
def test_values_of_yaml_1_1_are_refused(override, message):
    with pytest.raises(InputError, match=message):
        load(CONFIGS / "demo.yaml", [override])


@pytest.mark.parametrize("digits", ["000000000", "012012012", "222222222", "089", "010", "0", "12"])
@pytest.mark.parametrize("key", ["queue.architectures", "independent.architectures"])
def test_architectures_are_read_as_written(key, digits):
    section, name = key.split(".")
    for text in (digits, f"'{digits}'", f'"{digits}"'):
        config = load(CONFIGS / "demo.yaml", [f"{key}=[{text}]"])
        assert getattr(getattr(config, section), name) == [digits]
    assert load(CONFIGS / "demo.yaml", [f"staged.template={digits}"]).staged.template == digits
    for wrong in ("0x10", "0o10", "+1", "1.0"):
        with pytest.raises(InputError, match=key):
            load(CONFIGS / "demo.yaml", [f"{key}=[{wrong}]"])


@pytest.mark.parametrize(
    "text",
    ["1e5", "0o17", "0x1f", "010", "1:30", "yes", "null", "~", "true", "2026-11-28", ".inf", "089", "<<", "=", ""],
)
def test_dumped_text_is_read_as_text_by_both_versions(tmp_path, text):
    config = load(CONFIGS / "demo.yaml").model_copy(update={"supernet": text})
    assert read_yaml(written(tmp_path, dump(config)), "test")["supernet"] == text
    assert yaml.safe_load(dump(config))["supernet"] == text


@pytest.mark.parametrize("key", ["supernet", "hardware.board", "hardware.table", "hardware.vela"])
def test_paths_may_begin_with_the_home_folder(key, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    value = load(CONFIGS / "demo.yaml", [f"{key}=~/a/file"]).model_dump()
    for name in key.split("."):
        value = value[name]
    assert value == "/home/me/a/file"


@pytest.mark.parametrize("text", ["001", "0x1F", "0o17", "+5"])
def test_messages_quote_numbers_as_written(text):
    message = r"name: should be text, in quotes if it looks like a number \(got "
    with pytest.raises(InputError, match=message + re.escape(text)):
        load(CONFIGS / "demo.yaml", [f"name={text}"])


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_configuration_in_another_encoding_is_refused(tmp_path, encoding):
    (tmp_path / "a.yaml").write_text("name: x  # größer\n", encoding=encoding)
    with pytest.raises(InputError, match=r"a\.yaml: is not a text file in UTF-8; save it in that encoding"):
        load(tmp_path / "a.yaml")


def test_merge_keys_still_work(tmp_path):
    content = read_yaml(written(tmp_path, "a: &a {x: 1}\nb: {<<: *a, y: 010}\n"), "test")
    assert content["b"] == {"x": 1, "y": 10}


def test_null_of_the_old_sram_limit_is_ignored(content):
    """Files of earlier versions contain it."""
    content["evolution"]["max_sram_kib"] = None
    assert validate(content, Config, "config").evolution.constraints == {}
