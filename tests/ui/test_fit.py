"""The Fit tab: how a model is run is chosen in place, every number has its reason, nothing is executed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.pilot import Pilot

from explorer.engine.pinned import why_not
from explorer.fit.values import Answer, Scenario, Verdict
from explorer.hardware.spec import parse_machine
from explorer.ui.app import WeightsApp
from explorer.ui.tabs.fit import FitTab
from explorer.ui.tuning import Tuning
from explorer.ui.widgets.facts import Reasons
from explorer.ui.widgets.heatmap import HeatMap
from explorer.ui.widgets.settings import Settings, machine_forms
from tests.hub.gguf_files import llama_gguf
from tests.ui.support import Shelf, lines, running, session, settled, shown

QWEN = "Qwen/Qwen3-8B"
ENCODER = "BAAI/bge-small-en-v1.5"
WIDE, USUAL, SMALL = (200, 60), (120, 40), (80, 24)


@asynccontextmanager
async def fit_of(
    model: str = QWEN,
    size: tuple[int, int] = USUAL,
    machine: str = "RTX 4090, 64 GB",
    context: int | None = None,
) -> AsyncIterator[tuple[FitTab, WeightsApp, Pilot[None]]]:
    asked = replace(session(model=model, machine_text=machine), scenario=Scenario(None, context))
    async with running(asked, size) as (app, pilot):
        yield app.screen.query_one(FitTab), app, pilot


async def press(pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


def under_cursor(tab: FitTab) -> Answer:
    assert tab.cell is not None
    return tab.cell


def gguf_shelf() -> Shelf:
    file = llama_gguf()
    data = file.read(0, file.size)
    return Shelf(
        files={"org/tiny-GGUF": {"tiny-Q4_K_M.gguf": data, "tiny-Q8_0.gguf": data + bytes(4096)}}
    )


async def test_e_goes_on_to_the_next_engine_that_runs_and_the_others_say_why_not() -> None:
    async with fit_of() as (tab, app, pilot):
        assert "engine llama.cpp" in shown(app)
        seen = []
        for _ in range(3):
            await press(pilot, "e")
            seen.append(under_cursor(tab).scenario.engine)
        assert seen == ["vllm", "transformers", "llama.cpp"]
        assert "Not here" in shown(app)
        assert "mlx: " in shown(app)
        assert "Apple silicon" in shown(app)


async def test_on_a_mac_mlx_runs_and_vllm_says_why_it_does_not() -> None:
    async with fit_of(machine="M4 Max 64GB") as (tab, app, pilot):
        await press(pilot, "e", "e")
        assert under_cursor(tab).scenario.engine == "mlx"
        assert "MLX-4bit" in shown(app)
        assert "vLLM has no device to run on" in shown(app)


async def test_sequences_and_the_cache_s_type_change_what_the_cache_takes() -> None:
    async with fit_of() as (tab, app, pilot):
        one = under_cursor(tab).memory.kv_cache
        await press(pilot, "n", "down", "down", "enter")
        assert under_cursor(tab).scenario.sequences == 4
        four = under_cursor(tab).memory.kv_cache
        assert four == 4 * one
        await press(pilot, "v", "down", "down", "down", "enter")
        dtype = under_cursor(tab).scenario.kv_dtype
        assert dtype == "q8_0"
        assert "KV q8_0" in shown(app)
        assert under_cursor(tab).memory.kv_cache == four * 34 // 64


async def test_a_number_of_sequences_can_be_typed_and_nonsense_is_told() -> None:
    async with fit_of() as (tab, app, pilot):
        await press(pilot, "n", "tab", *"many", "enter")
        assert "“many” is not a number of sequences" in shown(app)
        await press(pilot, *["backspace"] * 4, *"3", "enter")
        assert under_cursor(tab).scenario.sequences == 3


async def test_a_reserve_turns_what_fits_tight() -> None:
    async with fit_of() as (tab, app, pilot):
        assert under_cursor(tab).verdict == "fits"
        await press(pilot, "r", "tab", *"9 GiB", "enter")
        assert "reserve 9.00 GiB" in shown(app)
        assert tab.grid is not None
        assert tab.grid.cells[0][-1].verdict == "tight"


async def test_flash_attention_is_switched_where_the_engine_can() -> None:
    async with fit_of() as (tab, app, pilot):
        await press(pilot, "f")
        assert not under_cursor(tab).scenario.flash_attention
        assert "flash off" in shown(app)
        await press(pilot, "e", "f")
        assert under_cursor(tab).scenario.engine == "vllm"
        assert "flash" not in shown(app)


async def test_sequences_share_a_cache_where_there_are_several() -> None:
    async with fit_of() as (tab, app, pilot):
        await press(pilot, "u")
        assert "unified" not in shown(app)
        one = under_cursor(tab).memory.kv_cache
        await press(pilot, "n", "down", "down", "enter")
        assert "unified off" in shown(app)
        assert under_cursor(tab).memory.kv_cache == 4 * one
        await press(pilot, "u")
        assert "unified on" in shown(app)
        assert under_cursor(tab).memory.kv_cache == one
        await press(pilot, "e")
        assert under_cursor(tab).scenario.engine == "vllm"
        assert "unified" not in shown(app)


async def test_drafts_are_chosen_where_the_model_has_layers_that_predict() -> None:
    async with fit_of("Qwen/Qwen3.5-35B-A3B", WIDE, "2x RTX 4090, 128 GB") as (tab, app, pilot):
        assert "drafts off" in shown(app)
        plain = under_cursor(tab)
        await press(pilot, "d", *["down"] * 3, "enter")
        drafting = under_cursor(tab)
        assert "drafts 3" in shown(app)
        assert (drafting.scenario.mtp, drafting.scenario.draft_tokens) == (True, 3)
        assert drafting.memory.recurrent_state == 4 * plain.memory.recurrent_state
        await press(pilot, "y")
        assert "--spec-type draft-mtp" in " ".join(shown(app).split())
    async with fit_of() as (_, app, pilot):
        await press(pilot, "d")
        assert "drafts" not in shown(app)
        assert not app.screen.is_modal


async def test_settings_are_clicked_too() -> None:
    async with fit_of(size=WIDE) as (tab, app, pilot):
        line = next(line for line in lines(app) if "engine llama.cpp" in line)
        await pilot.click(Settings, offset=(line.index("engine") + 2, 0))
        await settled(pilot)
        assert under_cursor(tab).scenario.engine == "vllm"
        await pilot.click(Settings, offset=(4, 0))
        await settled(pilot)
        assert app.screen.id == "machine"


async def test_another_engine_keeps_sequences_and_forgets_the_other_s_cache_type() -> None:
    tuning = Tuning("llama.cpp", sequences=4, kv_dtype="q8_0", reserve_bytes=1)
    assert tuning.with_engine("vllm") == Tuning("vllm", sequences=4)


async def test_what_was_asked_shows_before_it_is_judged() -> None:
    async with fit_of() as (tab, app, _):
        tab.tuning = Tuning("vllm")
        assert ("engine", "vllm") in app.screen.query_one(Settings).chips
        assert tab.heatmap.has_class("-stale")


async def test_w_opens_the_numbers_and_the_keys_go_through_their_reasons() -> None:
    async with fit_of() as (_, app, pilot):
        await press(pilot, "w")
        reasons = app.screen.query_one(Reasons)
        assert reasons.has_focus
        names = [reason.name for reason in reasons.reasons]
        assert names[0] == "total"
        assert {"weights", "compute", "decode", "most context"} <= set(names)
        await press(pilot, "j", "j")
        assert "layers x cells x KV heads" in shown(app)
        await press(pilot, "escape")
        assert app.screen.query_one(HeatMap).has_focus
        assert "layers x cells" not in shown(app)


async def test_the_reason_under_the_cursor_stays_when_the_cell_changes() -> None:
    async with fit_of() as (_, app, pilot):
        await press(pilot, "w", "j")
        app.screen.query_one(HeatMap).focus()
        await press(pilot, "down")
        reasons = app.screen.query_one(Reasons)
        assert reasons.reasons[reasons.cursor].name == "weights"


@pytest.mark.parametrize(("size", "beside"), [(SMALL, False), (USUAL, True), (WIDE, True)])
async def test_with_room_the_cell_stands_beside_the_map(
    size: tuple[int, int], beside: bool
) -> None:
    async with fit_of(size=size) as (_, app, _):
        header = next(line for line in lines(app) if "16K" in line)
        assert ("context" in header) is beside


async def test_an_encoder_has_no_contexts_no_cache_and_no_decode_speed() -> None:
    async with fit_of(ENCODER) as (tab, app, _):
        text = shown(app)
        assert tab.grid is not None
        assert len(tab.grid.contexts) == 1
        assert "GiB" in text
        assert "Decode" not in text
        assert "sequences" not in text
        assert "KV" not in text


async def test_commands_are_shown_with_their_size_and_copied_never_run() -> None:
    async with fit_of() as (_, app, pilot):
        await press(pilot, "y")
        text = shown(app)
        assert "hf download Qwen/Qwen3-8B" in text
        assert "16.38 GB, and makes 16.38 GB more of them; the disk" in " ".join(text.split())
        assert "llama-server" in text
        await press(pilot, "enter")
        assert app.clipboard.startswith("hf download Qwen/Qwen3-8B")
        await press(pilot, "y", "a")
        assert "\nllama-server -m Qwen3-8B-BF16.gguf -c 8192" in app.clipboard


async def test_a_gguf_repository_s_files_have_rows_of_their_own_and_run_by_their_tag() -> None:
    async with running(session(gguf_shelf, model="org/tiny-GGUF"), USUAL) as (app, pilot):
        assert app.screen.query_one(FitTab).heatmap.grid.rows == ("Q8_0", "Q4_K_M")
        await press(pilot, "y", "a")
        assert "llama-server -hf org/tiny-GGUF:Q8_0" in app.clipboard


async def test_llama_cpp_itself_is_asked_or_the_line_that_installs_it_is_shown() -> None:
    async with running(session(gguf_shelf, model="org/tiny-GGUF"), USUAL) as (app, pilot):
        await press(pilot, "a")
        text = shown(app)
        if why_not():
            assert "pip install 'weights-explorer[engine]'" in text
        else:
            assert "llama.cpp b" in text  # the version; this small file has no merges to load
            assert "cannot find tokenizer merges" in text
        await press(pilot, "escape")
        assert "Ask llama.cpp" not in shown(app)


async def test_what_is_not_gguf_cannot_be_asked_about_and_says_so() -> None:
    async with fit_of() as (_, app, pilot):
        await press(pilot, "a")
        assert "llama.cpp plans GGUF files only" in shown(app)


def test_a_machine_is_told_in_fewer_words_on_little_room() -> None:
    card = machine_forms(parse_machine("RTX 4090, 64 GB"))
    assert card == (
        "RTX 4090 24.0 GiB (23.5 free) + 64.0 GiB RAM",
        "RTX 4090 24.0 GiB (23.5 free)",
        "RTX 4090",
    )
    assert all("RAM" not in form for form in machine_forms(parse_machine("M4 Max 64GB")))
    assert machine_forms(None) == ("…",)


@pytest.mark.parametrize(("context", "heading"), [(24576, "▸24K"), (100, "▸100"), (8192, "▸8K")])
async def test_the_cursor_begins_at_the_chosen_context_which_has_a_column(
    context: int, heading: str
) -> None:
    async with fit_of(context=context) as (tab, app, pilot):
        assert tab.grid is not None
        assert context in tab.grid.contexts
        assert under_cursor(tab).scenario.context_tokens == context
        assert heading in shown(app)
        await press(pilot, "y", "a")
        assert f"-c {context}" in app.clipboard


async def test_a_context_that_is_typed_moves_the_cursor_there() -> None:
    async with fit_of() as (tab, app, pilot):
        await press(pilot, "c", "tab", *"24k", "enter")
        assert under_cursor(tab).scenario.context_tokens == 24576
        assert "▸24K" in shown(app)


async def test_a_context_beyond_the_model_s_own_is_judged_and_said_to_be_beyond() -> None:
    async with fit_of(context=100 * 1024**2, size=WIDE) as (tab, app, pilot):
        cell = under_cursor(tab)
        assert cell.verdict is Verdict.TOO_LARGE
        text = shown(app)
        assert "▸100M!" in text
        assert "at 100M context, beyond the model's 40K" in text
        assert "! beyond the model's 40K" in text
        assert "40,960" in " ".join(cell.assumptions)
        await press(pilot, "escape")
        listed = next(line for line in lines(app) if line.startswith(("▌ " + QWEN, "  " + QWEN)))
        assert "40K!" in listed
        assert f"× {cell.scenario.quantization}" in listed


async def test_a_limit_that_no_file_states_is_said_to_be_unknown() -> None:
    async with fit_of("Qwen/Qwen2.5-0.5B-Instruct", size=WIDE) as (_, app, _pilot):
        text = shown(app)
        assert "the model's own limit is unknown" in text
        assert "1M, limit ?" in text


@pytest.mark.parametrize("context", [None, 40960])
async def test_no_figure_contradicts_its_verdict(context: int | None) -> None:
    async with fit_of("Qwen/Qwen3-30B-A3B", context=context) as (tab, app, _):
        assert tab.grid is not None
        [device] = under_cursor(tab).machine.devices
        for cell in (cell for row in tab.grid.cells for cell in row):
            free = device.available_bytes - cell.needed.total
            reserve = cell.scenario.reserve_bytes or 0
            assert (cell.verdict is Verdict.FITS) == (free >= reserve)
            assert (cell.verdict is Verdict.TIGHT) == (0 <= free < reserve)
        assert "on the accelerator" in shown(app)


async def test_what_takes_less_than_a_gib_is_told_in_mib() -> None:
    async with fit_of(ENCODER) as (tab, app, _):
        assert tab.heatmap.grid.unit == "MiB"
        assert "MiB" in lines(app)[8]
        figures = [float(row[0].figure) for row in tab.heatmap.grid.cells]
        assert all(100 < figure < 1024 for figure in figures)
    async with fit_of() as (tab, app, _):
        assert tab.heatmap.grid.unit == "GiB"


async def test_that_there_is_no_speed_is_said_once() -> None:
    async with fit_of("Qwen/Qwen3-8B-AWQ") as (_, app, _pilot):
        text = shown(app)
        assert text.count("No measured runs of vLLM") == 1
        assert "no basis" not in text
        assert "Decode" not in text


async def test_engines_that_share_a_reason_share_a_line() -> None:
    async with running(session(gguf_shelf, model="org/tiny-GGUF"), WIDE) as (app, _):
        [line] = [line for line in lines(app) if "Not here" in line]
        assert "vllm, transformers, mlx: does not run GGUF files" in line
