"""Models on disk, in the layouts other programs leave them in."""

import hashlib
import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import hf_hub_download, scan_cache_dir
from safetensors.numpy import save_file

from explorer.errors import ExplorerError, FileNotFound, HeaderError, UsageError
from explorer.hub.local import Local
from explorer.hub.source import Query, RepoFile
from explorer.spans import Span
from tests.hub import HubServer
from tests.hub.builder import llama_like
from tests.hub_sources.readings import (
    bytes_of,
    look_up,
    names_of,
    pages_of,
    safetensors_header,
    weights_of,
)

GGUF = b"GGUF" + struct.pack("<IQQ", 3, 0, 0)


def local(home: Path, *folders: Path, **environment: str) -> Local:
    return Local(folders, home=home, environment=environment)


def sharded_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number in (1, 2, 3):
        tensors = {f"layer.{number}.weight": np.zeros((number, 4), np.float32)}
        save_file(tensors, folder / f"model-{number:05d}-of-00003.safetensors")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / ".git").mkdir()
    (folder / ".git" / "object.bin").write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    ("card", "license_id", "bases"),
    [
        ("---\nlicense: mit\nbase_model: acme/base\n---\n# Mine", "mit", ("acme/base",)),
        ("\ufeff---\r\nlicense: [mit, other]\r\n---\r\n", "mit", ()),
        ("--- \ntags: [license:mit]\n---\n", "mit", ()),
        ("---\nlicense: {a: 1}\n---\n", None, ()),
        ("---\nlicense: mit\n", None, ()),
        ("# Mine\n---\nlicense: mit\n---\n", None, ()),
        ("---\n- license\n---\n", None, ()),
        ("---\n&a [*a]: [*a\n---\n", None, ()),
        ("---\na: !!python/object/apply:os.system [true]\n---\n", None, ()),
        ("---\n" + "[" * 50_000 + "\n---\n", None, ()),
        ("", None, ()),
    ],
)
async def test_a_card_on_disk_says_what_it_says_on_the_hub(
    tmp_path: Path, card: str, license_id: str | None, bases: tuple[str, ...]
) -> None:
    folder = sharded_folder(tmp_path / "mine")
    (folder / "README.md").write_bytes(card.encode())
    listing = (await look_up(local(tmp_path), str(folder))).listing
    known = listing.license and listing.license.partition(",")[0]
    assert (known, listing.base_models) == (license_id, bases)


async def test_a_folder_is_a_model_with_its_files_and_sizes(tmp_path: Path) -> None:
    folder = sharded_folder(tmp_path / "org" / "name")
    source = local(tmp_path)
    repo = await look_up(source, str(folder))
    assert [(file.path, file.size_bytes) for file in repo.files] == [
        (path.name, path.stat().st_size) for path in sorted(folder.iterdir()) if path.is_file()
    ]
    assert repo.commit is None
    assert repo.listing.size_bytes == sum(file.size_bytes for file in repo.files)
    assert repo.listing.config == {"model_type": "llama"}
    assert await source.text(repo, "config.json") == '{"model_type": "llama"}'
    assert await source.text(repo, "../../secret") is None
    assert await source.sharded_headers(repo, "model.safetensors.index.json") is None
    header = await source.read(repo, weights_of(repo)[1], safetensors_header())
    assert header["layer.2.weight"]["shape"] == [2, 4]
    assert source.transfer.requests == 0
    assert source.transfer.bytes > 0


async def test_one_shard_stands_for_all_of_its_model(tmp_path: Path) -> None:
    folder = sharded_folder(tmp_path / "name")
    save_file({"x": np.zeros(1, np.float32)}, folder / "other.safetensors")
    repo = await look_up(local(tmp_path), str(folder / "model-00002-of-00003.safetensors"))
    assert [file.path for file in weights_of(repo)] == [
        f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)
    ]
    assert "config.json" in [file.path for file in repo.files]


async def test_a_single_file_has_the_small_files_beside_it_and_no_other_weights(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.gguf").write_bytes(GGUF)
    (tmp_path / "b.gguf").write_bytes(GGUF)
    (tmp_path / "README.md").write_text("# a")
    repo = await look_up(local(tmp_path), str(tmp_path / "a.gguf"))
    assert [file.path for file in repo.files] == ["README.md", "a.gguf"]


async def test_components_in_folders_belong_to_one_model(tmp_path: Path) -> None:
    pipeline = tmp_path / "models" / "pipeline"
    for component in ("unet", "vae"):
        (pipeline / component).mkdir(parents=True)
        save_file({"x": np.zeros(1, np.float32)}, pipeline / component / "model.safetensors")
    (pipeline / "model_index.json").write_text("{}")
    source = local(tmp_path / "nobody", tmp_path / "models")
    assert await names_of(source, Query()) == [str(pipeline)]
    repo = await look_up(source, str(pipeline))
    assert [file.path for file in weights_of(repo)] == [
        "unet/model.safetensors",
        "vae/model.safetensors",
    ]


async def test_the_cache_of_huggingface_hub_is_read_as_its_own_client_fills_it(
    tmp_path: Path,
) -> None:
    cache = tmp_path / ".cache" / "huggingface" / "hub"
    model = llama_like()
    with HubServer([model]) as hub:
        for path in ("config.json", "model.safetensors"):
            hf_hub_download(model.id, path, cache_dir=cache, endpoint=hub.endpoint, token=False)
    source = local(tmp_path)
    ((row,),) = [page.rows for page in await pages_of(source, Query("llama"))]
    assert row.author == "acme"
    assert row.provenance == "on disk: Hugging Face cache"

    (cached,) = scan_cache_dir(cache).repos
    (revision,) = cached.revisions
    for name in (row.id, str(cached.repo_path), str(revision.snapshot_path)):
        repo = await look_up(source, name)
        assert repo.commit == revision.commit_hash == model.commits["main"]
        assert {file.path: file.size_bytes for file in repo.files} == {
            str(file.file_path.relative_to(revision.snapshot_path)): file.size_on_disk
            for file in revision.files
        }
    assert row.size_bytes == cached.size_on_disk
    (weights,) = weights_of(repo)
    assert weights.content_hash == next(f for f in model.files if f.lfs).content.sha256
    assert await source.read(repo, weights, safetensors_header())


async def test_ollamas_store_is_read_through_its_manifests(tmp_path: Path) -> None:
    store = tmp_path / ".ollama" / "models"
    (store / "blobs").mkdir(parents=True)
    layers = []
    for kind, content in (("model", GGUF), ("template", b"{{ .Prompt }}"), ("unheard.of", b"?")):
        digest = hashlib.sha256(content).hexdigest()
        (store / "blobs" / f"sha256-{digest}").write_bytes(content)
        media = f"application/vnd.ollama.image.{kind}"
        layers.append({"mediaType": media, "digest": f"sha256:{digest}", "size": len(content)})
    manifests = store / "manifests" / "registry.ollama.ai"
    for owner, model in (("library", "qwen3"), ("someone", "tune")):
        (manifests / owner / model).mkdir(parents=True)
        (manifests / owner / model / "8b").write_text(json.dumps({"layers": layers}))
    (manifests / "library" / "broken").write_text("[[[")

    source = local(tmp_path)
    rows = [row for page in await pages_of(source, Query()) for row in page.rows]
    assert [row.tags for row in rows] == [("qwen3:8b",), ("someone/tune:8b",)]
    repo = await look_up(source, rows[0].id)
    assert repo.files == (
        RepoFile("model.gguf", len(GGUF), hashlib.sha256(GGUF).hexdigest()),
        RepoFile("template.txt", 13, hashlib.sha256(b"{{ .Prompt }}").hexdigest()),
    )
    assert await source.read(repo, repo.files[0], bytes_of(Span(0, 4))) == (b"GGUF",)


async def test_lm_studios_store_is_listed_by_publisher_and_model(tmp_path: Path) -> None:
    for folder in (".lmstudio/models/pub/one", ".cache/lm-studio/models/pub/two"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "m.gguf").write_bytes(GGUF)
    source = local(tmp_path)
    rows = [row for page in await pages_of(source, Query(author="pub")) for row in page.rows]
    assert [(row.tags, row.library, row.provenance) for row in rows] == [
        (("pub/two",), "gguf", "on disk: LM Studio"),
        (("pub/one",), "gguf", "on disk: LM Studio"),
    ]


async def test_a_listing_is_searched_sorted_limited_and_paged(tmp_path: Path) -> None:
    for number in range(120):
        path = tmp_path / "models" / f"model-{number:03d}.gguf"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(GGUF)
        os.utime(path, (1000 + number, 1000 + number))
    source = local(tmp_path, tmp_path / "models")
    assert len(await names_of(source, Query())) == 120
    assert [len(page.rows) for page in await pages_of(source, Query(limit=60))] == [50, 10]
    (newest,) = await names_of(source, Query(sort="updated", limit=1))
    assert newest.endswith("model-119.gguf")
    assert await names_of(source, Query("model 007")) == [str(tmp_path / "models/model-007.gguf")]
    (empty,) = await pages_of(source, Query("nothing like it"))
    assert (empty.rows, empty.more) == ((), False)


async def test_what_is_not_a_model_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "broken.gguf").symlink_to(tmp_path / "gone.gguf")
    (tmp_path / "models--a--b" / "snapshots").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe.gguf")
    source = local(tmp_path)
    for name in ("empty", "notes.txt", "broken.gguf", "models--a--b", "pipe.gguf", "missing"):
        with pytest.raises(UsageError):
            await look_up(source, str(tmp_path / name))


async def test_a_file_name_that_is_no_text_is_shown_as_one(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"m\xff.gguf")).write_bytes(GGUF)
    source = local(tmp_path)
    repo = await look_up(source, str(tmp_path))
    assert [file.path for file in repo.files] == ["m?.gguf"]
    assert await source.read(repo, repo.files[0], bytes_of(Span(0, 4))) == (b"GGUF",)


async def test_links_in_circles_end(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "m.gguf").write_bytes(GGUF)
    repo = await look_up(local(tmp_path), str(tmp_path))
    assert [file.path for file in repo.files] == ["m.gguf"]


async def test_a_file_that_vanishes_and_one_that_lies_are_clear_errors(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes((10**12).to_bytes(8, "little"))
    with path.open("r+b") as stream:
        stream.truncate(10**12)
    source = local(tmp_path)
    repo = await look_up(source, str(path))
    with pytest.raises(HeaderError):
        await source.read(repo, repo.files[0], safetensors_header(8))
    path.unlink()
    with pytest.raises(FileNotFound):
        await source.read(repo, repo.files[0], safetensors_header())
    with pytest.raises(ExplorerError):
        await source.text(repo, "m.safetensors")
