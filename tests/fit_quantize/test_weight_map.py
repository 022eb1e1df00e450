"""Where the bytes of stored checkpoints lie."""

from hypothesis import given
from hypothesis import strategies as st

from explorer.fit.weight_map import from_tensors
from explorer.weights.tensors import Tensor
from tests.fit_quantize.checkpoints import checkpoint, names

PIECES = st.sampled_from(
    [
        "model",
        "layers",
        "blk",
        "0",
        "1",
        "7",
        "12",
        "mlp",
        "experts",
        "up_proj",
        "down_proj",
        "weight",
        "bias",
        "embed_tokens",
        "lm_head",
        "visual",
        "mtp",
        "encoder",
        "decoder",
        "attn_q",
        "qweight",
        "norm",
        "token_embd",
        "ffn_down_exps",
        "scales",
    ]
)
NAMES = st.lists(PIECES, min_size=1, max_size=7).map(".".join) | st.text(max_size=30)


def tensor(name: str, size: int) -> Tensor:
    return Tensor(name, "U8", (size,), 0, size)


@given(st.lists(st.tuples(NAMES, st.integers(0, 10**12)), max_size=20), st.integers(0, 30))
def test_no_byte_is_lost_or_counted_twice_whatever_the_names(
    entries: list[tuple[str, int]], layers: int
) -> None:
    tensors = [tensor(name, size) for name, size in entries]
    mapped = from_tensors(tensors, "any", layers)
    assert mapped.total_bytes == sum(size for _, size in entries)
    assert not layers or len(mapped.blocks) == layers
    assert mapped.exact


def test_every_byte_of_published_checkpoints_has_its_place() -> None:
    for name in names():
        tensors, architecture = checkpoint(name)
        mapped = from_tensors(tensors, name, len(architecture.layers))
        assert mapped.total_bytes == sum(one.size_bytes for one in tensors), name
        assert all(block.dense_bytes for block in mapped.blocks), name
        assert mapped.input_bytes, name
        # position tables, poolers and final norms: little in all
        assert mapped.other_bytes < 0.03 * mapped.total_bytes, name


def test_multi_token_prediction_stands_apart() -> None:
    tensors, architecture = checkpoint("deepseek-ai/DeepSeek-R1")
    mapped = from_tensors(tensors, "FP8", len(architecture.layers))
    assert len(mapped.blocks) == 61
    assert mapped.mtp_bytes == sum(
        one.size_bytes for one in tensors if one.name.startswith("model.layers.61.")
    )


def test_vision_towers_stand_apart() -> None:
    tensors, architecture = checkpoint("Qwen/Qwen2.5-VL-7B-Instruct")
    mapped = from_tensors(tensors, "BF16", len(architecture.layers))
    assert mapped.vision_bytes == sum(
        one.size_bytes for one in tensors if one.name.startswith("visual.")
    )


def test_experts_are_told_from_what_every_token_reads() -> None:
    tensors, architecture = checkpoint("mistralai/Mixtral-8x7B-v0.1")
    block = from_tensors(tensors, "BF16", len(architecture.layers)).blocks[5]
    assert block.expert_bytes == 8 * 3 * 4096 * 14336 * 2


def test_a_stored_copy_of_a_tied_head_is_no_head() -> None:
    tensors = [tensor("model.embed_tokens.weight", 100), tensor("lm_head.weight", 100)]
    assert from_tensors(tensors, "BF16", 1, tied=True).output_bytes == 0
    assert from_tensors(tensors, "BF16", 1).output_bytes == 100


def test_the_encoder_comes_before_the_decoder() -> None:
    tensors = [
        tensor("decoder.block.0.layer.0.SelfAttention.q.weight", 5),
        tensor("encoder.block.0.layer.0.SelfAttention.q.weight", 3),
        tensor("encoder.block.1.layer.0.SelfAttention.q.weight", 4),
    ]
    blocks = from_tensors(tensors, "F32", 3).blocks
    assert [block.dense_bytes for block in blocks] == [3, 4, 5]
