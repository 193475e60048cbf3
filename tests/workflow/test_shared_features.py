"""Two studies that share the output of a front-end: the second plans no extraction."""

import pytest
from checkout import TINY_STUDY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_second_study_takes_the_features_of_the_first(tiny_copy):
    study = tiny_copy
    (own,) = (study.folder / "results/tiny/features").glob("*/talkers/dev-1-of-1.safetensors")
    name = str(own.relative_to(study.folder / "results/tiny"))
    asked = {}
    for name_of_study in ("first", "second"):
        config = {**TINY_STUDY, "study": name_of_study, "feature_store": "resources/features"}
        file = study.write_study(config, f"{name_of_study}.yaml")
        asked[name_of_study] = (f"results/{name_of_study}/{name}", "--configfile", file)
    study.make(*asked["first"])
    assert (study.folder / "results/first" / name).read_bytes() == own.read_bytes()

    planned = [job.rule for job in study.plan(*asked["second"])]
    assert planned == ["manifest", "reuse_features"]
    # What the disk has damaged since is made again, for both.
    (values,) = (study.folder / "resources/features/entries").glob("*/values.safetensors")
    values.write_bytes(values.read_bytes()[:-1] + b"?")
    assert "is damaged and is made again" in study.make(*asked["second"])
    for name_of_study in asked:
        assert (study.folder / "results" / name_of_study / name).samefile(values)
    assert values.read_bytes() == own.read_bytes()
    assert study.plan(*asked["second"]) == []
