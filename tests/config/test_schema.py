import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from helpers import METHOD_NAMES
from vaecli.config import Config, config_from_text, dump
from vaecli.config.options import LARGEST, NEAREST_TO_1, OPTIONS, SMALLEST
from vaecli.config.schema import VARIANTS


def again(config: Config) -> Config:
    """What a run's config.yaml is read back as."""
    return config_from_text(dump(config.to_dict()))


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_a_config_through_yaml_is_the_same(method):
    config = config_from_text(f"model: {method}")
    assert again(config) == config


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.floats(min_value=SMALLEST, max_value=LARGEST),
    st.just(0.0) | st.floats(min_value=SMALLEST, max_value=NEAREST_TO_1),
    st.lists(st.integers(1, 65_536), max_size=3),
)
def test_numbers_through_yaml_are_the_same(learning_rate, momentum, hidden):
    text = (
        f"{{model: vae, network: {{hidden: {hidden}}}, "
        f"training: {{optimizer: sgd, learning_rate: {learning_rate!r}, momentum: {momentum!r}}}}}"
    )
    config = config_from_text(text)
    assert config.training.learning_rate == learning_rate
    assert again(config) == config


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.text(min_size=1).filter(lambda text: "\0" not in text and text[0] != "~"))
@example("a~")
@example("no")
@example("1e3")
@example("08")
@example(".5e1")
def test_the_path_of_a_data_file_through_yaml_is_the_same(path):
    base = config_from_text("model: vae\ndata: {name: npz, path: data.npz}")
    config = base.model_copy(update={"data": base.data.model_copy(update={"path": path})})
    assert again(config) == config


def test_a_config_is_frozen():
    config = config_from_text("model: gumbel")
    for block, key in ((config, "model"), (config.model, "temperature"), (config.training, "seed")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(block, key, 1)
    assert isinstance(config.network.hidden, tuple)
    assert hash(config) == hash(config_from_text("model: {name: gumbel}"))


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_a_model_block_has_the_options_of_its_method_and_no_others(method):
    model = config_from_text(f"model: {method}").model
    described = {name: OPTIONS[name].default for name in model.method.options}
    assert model.options() == described | model.method.defaults


@pytest.mark.parametrize("block", [*Config.model_fields, *VARIANTS])
def test_every_key_has_a_description(block):
    classes = VARIANTS[block][1].values() if block in VARIANTS else [Config.model_fields[block].annotation]
    assert all(
        field.description or name in ("name", "optimizer")
        for cls in classes
        for name, field in cls.model_fields.items()
    )


def test_two_configs_never_have_the_same_dump():
    """Pydantic dumps the declared class unless told otherwise, and would leave out what a method has of its own."""
    texts = (
        "model: gumbel",
        "model: {name: gumbel, num_latents: 3}",
        "model: gumbel\nnetwork: {hidden: [16]}",
        "model: gumbel\nobjective: {likelihood: gaussian, scale: 0.5}",
        "model: gumbel\ntraining: {optimizer: sgd, momentum: 0.5}",
        "model: gumbel\ndata: {name: npz, path: a.npz}",
        "model: gumbel\ndata: {name: npz, path: b.npz}",
    )
    assert len({config_from_text(text).model_dump_json() for text in texts}) == len(texts)
