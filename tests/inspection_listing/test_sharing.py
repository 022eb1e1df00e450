"""What rows of a listing share: a configuration is read once, and one answer serves all of one shape."""

from dataclasses import replace

from explorer.fit.values import Scenario
from explorer.hardware.spec import parse_machine
from explorer.hub.source import Listing
from explorer.inspection.rows import describe, judge_again

CONFIG = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 32,
    "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
    "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072,
}  # fmt: skip
LISTING = Listing("acme/one", parameters=8_030_261_248, config=CONFIG)
OTHER = replace(LISTING, id="acme/two", config=dict(CONFIG))


def test_rows_of_one_configuration_share_what_follows_from_it() -> None:
    first, second = describe(LISTING), describe(OTHER)
    assert first.architecture is second.architecture
    assert first.options is second.options
    assert (first.listing.id, second.listing.id) == ("acme/one", "acme/two")


def test_their_answer_is_worked_out_once_for_a_machine_and_a_scenario() -> None:
    machine = parse_machine("RTX 4090")
    first, second = (
        judge_again(describe(one), machine, Scenario(context_tokens=8192))
        for one in (LISTING, OTHER)
    )
    assert first.answer is second.answer
    assert first.answer is not None
    longer = judge_again(second, machine, Scenario(context_tokens=32768))
    assert longer.answer is not None
    assert longer.answer.memory.kv_cache == 4 * first.answer.memory.kv_cache
    smaller = judge_again(second, parse_machine("RTX 3060 12GB"), Scenario(context_tokens=8192))
    assert smaller.answer is not None
    assert smaller.answer.scenario.quantization != first.answer.scenario.quantization


def test_supposed_shapes_are_shared_by_models_of_about_one_size() -> None:
    bare = {"model_type": "llama"}
    first = describe(replace(LISTING, config=bare))
    second = describe(replace(OTHER, config=bare, parameters=8_031_000_000))
    assert first.estimated
    assert first.options is second.options
    assert (first.parameters, second.parameters) == (8_030_261_248, 8_031_000_000)
    other = describe(replace(OTHER, config=bare, parameters=7_000_000_000))
    assert other.options is not first.options


def test_a_configuration_that_is_no_json_is_read_all_the_same() -> None:
    odd = describe(replace(LISTING, config={**CONFIG, "extra": {1, 2}}))
    assert not odd.estimated
    assert odd.architecture == describe(LISTING).architecture
