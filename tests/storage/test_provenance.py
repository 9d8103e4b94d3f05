"""Provenance: whatever one types comes back from the PNG, and other programs can read it."""

import io
import re
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from rhinoise.core.errors import PictureError
from rhinoise.storage.provenance import (
    EDITED,
    GENERATED,
    Parameters,
    is_own,
    parameters_text,
    parse_parameters,
    png_bytes,
    read_provenance,
    write_png,
)

PICTURE = Image.new("RGB", (8, 8), "rebeccapurple")
SETTINGS = {"Steps": 20, "Sampler": "ddim", "CFG scale": 3.5, "Seed": 7, "Size": "64x64", "Model": "emoji"}
PROMPTS = [
    "rhinoceros",
    "a rhino, a hippo: both, (smiling)",
    "two\nlines, with Steps: 3",
    'she said "no", \\ and left',
    "🦏 サイ naïve",
    "ends with a colon:",
]


def png(prompt="", **changes):
    return png_bytes(
        PICTURE,
        **{
            "parameters": parameters_text(prompt, "", SETTINGS),
            "request": {"prompt": prompt},
            "model_hash": "ab",
        }
        | changes,
    )


@settings(max_examples=60, deadline=None)
@given(prompt=st.text(max_size=30))
@example(prompt="nul \0 and bell \7")
@example(prompt="café, latin: 1")
@example(prompt="🦏")
def test_any_request_survives_the_png(prompt):
    request = {"prompt": prompt, "steps": 20, "guidance": None}
    found = read_provenance(png(request=request))
    assert found.request == request
    assert found.model_hash == "ab"
    assert found.source == GENERATED


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_parameters_text_survives_the_png(prompt):
    assert read_provenance(png(prompt)).parameters == parameters_text(prompt, "", SETTINGS)


@pytest.mark.parametrize("negative", ["", "blurry, grey", "two\nlines"])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_parameters_are_read_back(prompt, negative):
    found = parse_parameters(parameters_text(prompt, negative, SETTINGS))
    assert (found.prompt, found.negative) == (prompt, negative)
    wanted = {key: str(value) for key, value in SETTINGS.items()} | {"Size-1": "64", "Size-2": "64"}
    assert found.settings == wanted


@settings(max_examples=100, deadline=None)
@given(
    value=st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters='"\r\0'), max_size=20)
)
def test_a_setting_may_hold_anything(value):
    text = parameters_text("x", "", SETTINGS | {"Note": "a, " + value})
    assert parse_parameters(text).settings["Note"] == "a, " + value


def test_the_text_is_what_other_programs_write():
    text = parameters_text(
        "a rhino", "grey", {"Steps": 20, "Sampler": "ddim", "Seed": 1, "Note": "a:b", "No": None}
    )
    assert text == 'a rhino\nNegative prompt: grey\nSteps: 20, Sampler: ddim, Seed: 1, Note: "a:b"'


def test_the_settings_match_the_pattern_that_other_programs_read_with():
    pattern = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
    line = parameters_text("x", "", SETTINGS | {"Lora hashes": 'a: "1", b: 2'}).split("\n")[-1]
    assert [key for key, _ in pattern.findall(line)] == [*SETTINGS, "Lora hashes"]


def test_a_prompt_alone_has_no_settings():
    assert parse_parameters("one, two: three\nfour") == Parameters(
        prompt="one, two: three\nfour", negative="", settings={}
    )


def test_a_file_and_a_changed_picture(tmp_path):
    path = tmp_path / "new" / "rhino.png"
    write_png(PICTURE, path, parameters="x", request={}, model_hash="", source=EDITED)
    assert read_provenance(path).source == EDITED
    with Image.open(path) as image:
        assert image.convert("RGB").tobytes() == PICTURE.tobytes()
        mark = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
        assert mark in image.info["XML:com.adobe.xmp"]


def test_the_mark_is_well_formed_xml():
    with Image.open(io.BytesIO(png())) as image:
        root = ElementTree.fromstring(image.info["XML:com.adobe.xmp"].encode())
    found = root.findtext(".//{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
    assert found.endswith("/trainedAlgorithmicMedia")


def test_a_png_of_others_says_nothing(tmp_path):
    PICTURE.save(tmp_path / "plain.png")
    found = read_provenance(tmp_path / "plain.png")
    assert (found.parameters, found.request, found.model_hash, found.source) == (None,) * 4


@pytest.mark.parametrize("data", [b"", b"text", b"\x89PNG\r\n\x1a\n broken"])
def test_what_is_no_png_is_refused(data):
    with pytest.raises(PictureError):
        read_provenance(data)


def test_own_files_are_told_from_others(tmp_path):
    write_png(PICTURE, tmp_path / "own.png", parameters="", request={}, model_hash="")
    Image.new("L", (4, 4)).save(tmp_path / "other.png")
    (tmp_path / "text.png").write_text("no picture")
    assert [is_own(tmp_path / f"{name}.png") for name in ("own", "other", "text")] == [True, False, False]
