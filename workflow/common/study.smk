# What the rules share: the resolved study, wildcard patterns, parameter and target functions.
# Nothing heavy may be imported: this is parsed again in every cluster job.
import re

from spoofscope.identity import code_closure, code_digest, hash8
from spoofscope.study import Study, local_gpu, read_config

# Of a key that is given twice Snakemake keeps the last without a word; this refuses it.
for configured in workflow.configfiles:
    read_config(configured)

STUDY = Study(config)
R = STUDY.root
LOGS = f"logs/{STUDY.name}"
SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
TEMPLATES = Path(workflow.basedir) / "src" / "spoofscope" / "templates"
ENVIRONMENT = Path(workflow.basedir) / "envs" / "environment.yaml"


def one_of(names):
    # A pattern that matches these names only; with none it matches nothing at all.
    return "|".join(sorted(map(re.escape, names))) or "(?!)"


FEATURES = sorted(
    {STUDY.features_id(run) for run in STUDY.runs if STUDY.is_cached(run)}
)
FUSIONS = {STUDY.fusion_id(name): name for name in STUDY.config.get("fusion", {})}


wildcard_constraints:
    corpus=one_of([*STUDY.corpora, *STUDY.copies]),
    run=one_of(STUDY.runs),
    fusion=one_of(FUSIONS),
    system=one_of([*STUDY.runs, *FUSIONS]),
    features=one_of(FEATURES),
    seed=r"\d+",
    split="train|dev|eval",
    shard=r"\d+-of-\d+",
    backbone=one_of(
        STUDY.backbone_id(name) for name in STUDY.config.get("backbones", {})
    ),


# Code digest of a rule's parameters to the source files behind it; launch.smk records them.
CODE = {}


def with_code(rule_name, modules=(), templates=(), **values):
    """The one parameter of a rule (its values, the digest of the code behind it), keys sorted.

    Call it in a function of the wildcards: what only some jobs need is then digested for them
    alone, and an edit of it hinders no others.
    """
    script = SCRIPTS / f"{rule_name}.py"
    files = [TEMPLATES / template for template in templates]
    values["code"] = code_digest(script, modules, files=files)
    CODE[values["code"]] = code_closure(script, modules, files=files)
    return dict(sorted(values.items()))


def component_modules(settings):
    """Modules that a detector's front-end and back-end are found in at run time."""
    from spoofscope.backends import registry as backends
    from spoofscope.frontends import registry as frontends

    found = [frontends.module_of(settings["frontend"]["type"])]
    if "backend" in settings:
        found.append(backends.module_of(settings["backend"]["type"]))
    return found


def effect_modules(chain):
    """Modules of the effects in a chain."""
    from spoofscope.augmentation import registry as effects

    return [effects.module_of(step["effect"]) for step in chain["steps"]]


def corpus_modules(corpus):
    """The module that reads a corpus."""
    from spoofscope.corpora import registry as corpora

    return [corpora.module_of(STUDY.corpora[corpus]["type"])]


# Without a GPU in this machine the demand is 0, so that CPU jobs run side by side. On a cluster
# the profile states it.
LOCAL_GPU = local_gpu()


def shard_names(split):
    count = STUDY.shards(split)
    return [f"{i}-of-{count}" for i in range(1, count + 1)]


def feature_shards(features, corpus, split, suffix):
    return [
        f"{R}/features/{features}/{corpus}/{split}-{shard}.{suffix}"
        for shard in shard_names(split)
    ]


def training_sources(run, kind):
    """(corpus, split) pairs that a training reads: kind `train` or `dev`."""
    detector = STUDY.run(run).detector
    if kind == "train":
        sources = STUDY.config["detectors"][detector]["train"]["data"]
    else:
        sources = STUDY.dev_sources(detector)
    return [(source["corpus"], kind) for source in sources]


def detector_folder(run, seed):
    return f"{R}/detectors/{run}/seed{seed}"


# --- targets -----------------------------------------------------------------------------------


def audits():
    return [f"{R}/audits/{corpus}.tsv" for corpus in STUDY.corpora]


def weights():
    return [
        f"{detector_folder(run, seed)}/model.safetensors"
        for run, seed in STUDY.run_seeds()
    ]


def scores():
    return [
        f"{R}/scores/{system}/seed{seed}/{corpus}.{split}.tsv"
        for system, seed in STUDY.systems()
        for corpus, split in STUDY.scored()
    ]


def metrics():
    return [
        f"{R}/metrics/{system}/seed{seed}/{corpus}.{split}.tsv"
        for system, seed in STUDY.systems()
        for corpus, split in STUDY.scored()
    ]


def attributed():
    """(run, seed) of every detector that is explained, each with its first seed."""
    names = STUDY.config.get("attribution", {}).get("detectors", [])
    runs = [STUDY.run_of(name) for name in names]
    return [(run.id, run.seeds[0]) for run in runs]


def localised():
    """Whether attributions can be held against known segments."""
    return bool(attributed()) and STUDY.has_segments(
        STUDY.config["attribution"]["corpus"]
    )


def attributions():
    if not attributed():
        return []
    corpus = STUDY.config["attribution"]["corpus"]
    parts = ["safetensors", "regions.tsv", "summary.tsv"]
    if localised():
        parts.append("localisation.tsv")
    return [
        f"{R}/attributions/{run}/seed{seed}/{corpus}.{part}"
        for run, seed in attributed()
        for part in parts
    ]


def artefact_sets():
    return [
        (entry["corpus"], entry["split"])
        for entry in STUDY.config.get("artefacts", {}).get("trials", [])
    ]


def artefacts():
    return [
        f"{R}/artefacts/{corpus}.{split}.rates.tsv" for corpus, split in artefact_sets()
    ] + [
        f"{R}/artefacts/{run}/seed{seed}/{corpus}.{split}.correlations.tsv"
        for run, seed in STUDY.run_seeds()
        for corpus, split in artefact_sets()
        if seed == STUDY.run(run).seeds[0]
    ]


def layered():
    """(run, seed) of every detector that mixes SSL layers."""
    return [
        (run, seed)
        for run, seed in STUDY.run_seeds()
        if STUDY.run(run).settings["frontend"]["type"] == "ssl"
    ]


def figure_names():
    names = ["det_curves", "score_histograms", "eer_by_condition", "train_test_matrix"]
    if attributed():
        names += ["attribution_examples"]
    if localised():
        names += ["localisation"]
    if layered():
        names += ["layer_weights"]
    if artefact_sets():
        names += ["artefact_correlations"]
    return names


def figures():
    return [
        f"{R}/figures/{name}.{suffix}"
        for name in figure_names()
        for suffix in ("pdf", "png", "tsv")
    ]


def tables():
    return [f"{R}/tables/{name}.tsv" for name in ("runs", "headline")]
