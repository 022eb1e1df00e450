"""Every published model is counted to the parameter, or the difference is known and explained."""

import pytest

from explorer.weights.checkpoint import active_parameters
from explorer.weights.components import Component
from tests.weights.checkpoint.published import Published, checkpoint, models

_SCALES = "it counts scales and zero points as parameters"
_CONTAINERS = "it counts packed containers as they are stored"

# The hub computed these totals before it learned to leave scales out (its rules changed from July to
# October 2026, and totals are stored), or it does not unpack ModelOpt's NVFP4 to this day.
EXPLAINED = {
    "MiniMaxAI/MiniMax-M2.5": (228_703_644_928, 228_689_764_864, _SCALES),
    "Qwen/Qwen3-30B-A3B-FP8": (30_533_947_392, 30_532_122_624, _SCALES),
    "Qwen/Qwen3-32B-FP8": (32_764_027_904, 32_762_123_264, _SCALES),
    "deepseek-ai/DeepSeek-V3.2-Exp": (685_396_921_376, 685_355_329_792, _SCALES),
    "zai-org/GLM-5.1-FP8": (753_910_024_032, 753_864_139_008, _SCALES),
    "nvidia/GLM-5.1-NVFP4": (381_523_333_632, 743_911_199_232, _CONTAINERS),
    "nvidia/MiniMax-M2.5-NVFP4": (116_349_510_656, 228_689_748_992, _CONTAINERS),
}


def _kind(model: Published) -> tuple[object, ...]:
    quantized = repr(model.config.get("quantization_config"))
    return tuple(model.headers.values()), quantized, model.config.get("num_hidden_layers")


def test_every_published_total_is_met_or_explained() -> None:
    # Finetunes have the header of their base: each kind is counted once.
    kinds: dict[tuple[object, ...], list[Published]] = {}
    for model in models().values():
        if model.total is not None:
            kinds.setdefault(_kind(model), []).append(model)
    differing = {}
    for alike in kinds.values():
        counted = checkpoint(alike[0])
        for model in alike:
            assert model.total is not None
            if counted.counts.parameters != model.total:
                reason = counted.hub_difference(model.total)
                differing[model.id] = (model.total, counted.counts.parameters, reason)
    assert differing == {
        name: (hub, ours, f"the hub's total is {hub:,}: {reason}")
        for name, (hub, ours, reason) in EXPLAINED.items()
    }


def test_a_quantized_model_counts_what_its_original_does() -> None:
    # The unquantized release of each pair is counted by the plain sum of shapes.
    pairs = {
        "Qwen/Qwen3-30B-A3B-FP8": "Qwen/Qwen3-30B-A3B",
        "zai-org/GLM-5.2-FP8": "zai-org/GLM-5.2",
        "MiniMaxAI/MiniMax-M2.5": "MiniMaxAI/MiniMax-M2",
        "Qwen/Qwen2.5-14B-Instruct-AWQ": "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B",
        "Qwen/Qwen2.5-14B-Instruct-GPTQ-Int4": "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B",
        "Qwen/Qwen3-8B-AWQ": "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B",
    }
    for quantized, original in pairs.items():
        plain = checkpoint(models()[original]).counts
        assert plain.elements == plain.parameters
        found = checkpoint(models()[quantized]).counts
        assert found.parameters == plain.parameters, quantized


def test_nvfp4_differs_from_the_original_by_the_layer_it_leaves_out() -> None:
    # nvidia's release has no MTP layer, and no e_score_correction_bias in the fitted header.
    original = checkpoint(models()["zai-org/GLM-5"]).counts
    nvfp4 = checkpoint(models()["nvidia/GLM-5.1-NVFP4"]).counts
    biases = 75 * 256
    mtp = original.by_component[Component.MTP]
    assert nvfp4.parameters == original.parameters - mtp - biases


def test_known_widths() -> None:
    """Bits a weight by hand: 4 + a BF16 scale of 32 is 4.5, E4M3 of 16 is 4.5, E8M0 of 32 is 4.25."""
    expected = {
        "moonshotai/Kimi-K2.5": 4.5,
        "nvidia/GLM-5.1-NVFP4": 4.5,
        "openai/gpt-oss-20b": 4.25,
        "Qwen/Qwen3-30B-A3B-FP8": 8 + 16 / 128**2,
    }
    for name, bits in expected.items():
        found = checkpoint(models()[name]).counts.quantized_bits_per_weight
        # Recorded shapes and scales of whole tensors add some millionths.
        assert found == pytest.approx(bits, rel=2e-6), name


# Published beside the model by its authors. Whether the input embedding is in the figure differs:
# DeepSeek's README_WEIGHTS.md says "36.6B (including 0.9B for the output Head)"; the gpt-oss model card
# counts "unembedding parameters towards active, but not embeddings"; Qwen and MiniMax count both.
ACTIVE = {
    "deepseek-ai/DeepSeek-R1": (36.6, False),
    "openai/gpt-oss-20b": (3.61, False),
    "moonshotai/Kimi-K2.5": (32, False),
    "Qwen/Qwen3-235B-A22B-Instruct-2507": (22, False),
    "mistralai/Mixtral-8x7B-v0.1": (12.9, True),
    "mistralai/Mixtral-8x22B-v0.1": (39, True),
    "Qwen/Qwen3-30B-A3B": (3.3, True),
    "Qwen/Qwen1.5-MoE-A2.7B": (2.7, True),
    "Qwen/Qwen3-Coder-480B-A35B-Instruct": (35, True),
    "Qwen/Qwen3.5-397B-A17B": (17, True),
    "zai-org/GLM-5": (40, False),
}


@pytest.mark.parametrize("name", ACTIVE)
def test_active_parameters_are_the_published_ones(name: str) -> None:
    model = models()[name]
    billions, embedding = ACTIVE[name]
    active = active_parameters(checkpoint(model), model.config, input_embedding=embedding)
    assert active is not None
    # To the last digit that was published. Two cards round down: 3.35 is 3.3 at Qwen, 40.8 is 40 at GLM.
    tolerance = (
        0.9 if name.startswith("zai-org") else 0.5 * 10 ** -len(str(billions).partition(".")[2])
    )
    assert active / 1e9 == pytest.approx(billions, abs=tolerance * 1.2)


def test_components_of_a_model_with_everything() -> None:
    found = checkpoint(models()["Qwen/Qwen3.5-35B-A3B"]).counts.by_component
    # 248,320 tokens of 2,048; the vision tower of Qwen3-VL with 27 blocks; one MTP layer.
    assert found[Component.EMBEDDING] == found[Component.OUTPUT_HEAD] == 248_320 * 2048
    assert set(found) == {
        Component.BACKBONE,
        Component.EMBEDDING,
        Component.OUTPUT_HEAD,
        Component.VISION,
        Component.PROJECTOR,
        Component.MTP,
    }


def test_mtp_layers_are_told_by_their_number() -> None:
    found = checkpoint(models()["deepseek-ai/DeepSeek-R1"]).counts
    # README_WEIGHTS.md: 671 B in the main model, the rest in layer 61.
    main = found.parameters - found.by_component[Component.MTP]
    assert round(main / 1e9) == 671


def test_diffusers_components_are_their_folders() -> None:
    flux = checkpoint(models()["black-forest-labs/FLUX.1-schnell"])
    found = flux.counts.by_component
    assert set(found) == {"transformer", "text_encoder", "text_encoder_2", "vae"}
    # FLUX.1 is published as a 12-billion-parameter transformer; the hub shows that part alone.
    assert round(found["transformer"] / 1e9) == 12
    told = flux.hub_difference(found["transformer"])
    assert told is not None
    assert told.endswith("it counts the denoiser only")


def test_components_of_stable_diffusion() -> None:
    found = checkpoint(models()["runwayml/stable-diffusion-v1-5"]).counts.by_component
    # The denoiser's count is in official_counts.json; CLIP ViT-L/14's text tower has 12 blocks of 768.
    attention, mlp, norms = 4 * (768 * 768 + 768), 2 * 768 * 3072 + 3072 + 768, 4 * 768
    embeddings = (49408 + 77) * 768
    assert found["unet"] == 859_520_964
    assert found["text_encoder"] == 12 * (attention + mlp + norms) + embeddings + 2 * 768
