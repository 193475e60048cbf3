# What the rules share: the resolved study, wildcard patterns, parameter and target functions.
# Nothing heavy may be imported: this is parsed again in every cluster job.
import functools
import re
import sys
from types import SimpleNamespace

from snakemake.logging import logger
from snakemake.path_modifier import PathModifier

from spoofscope.errors import ConfigError
from spoofscope.files import one_line
from spoofscope.identity import (
    code_closure,
    code_digest,
    hash8,
    keep_digests_in,
    plain,
)
from spoofscope.launch import check_command_line, check_folder
from spoofscope.study import Study, local_gpu
from spoofscope.study_files import located, merged, read_config, typed


def refused(error):
    """End with one line about what a user can mend; Snakemake would add where the rules stand."""
    if IS_MODULE:
        raise error
    logger.error(f"ConfigError: {one_line(error)}")
    raise SystemExit(1) from error


# Snakemake keeps the last of a key that is given twice without a word, and the last of two options.
if not IS_MODULE:
    try:
        check_folder(ROOT)
        if workflow.is_main_process:
            check_command_line(sys.argv)
        for configured in workflow.configfiles:
            read_config(configured)
    except ConfigError as error:
        refused(error)
    config = merged(config, typed(workflow.config_settings.config))

# A module can be given a prefix, the folder for all that it makes. Snakemake would put it before the
# paths of rules, whoever they belong to, and not before those that parameters hold. So it is taken
# over here, and put before the three folders that everything made is in.
_prefixed = workflow.modifier.path_modifier.replace_prefix
workflow.modifier.path_modifier = PathModifier(None, None, workflow)


def placed(folder):
    return _prefixed(f"{folder}/").removesuffix("/")


try:
    STUDY = Study(config, placed=placed)
except ConfigError as error:
    refused(error if IS_MODULE else located(error, workflow.configfiles))
# Captions read the configuration.
config["title"] = STUDY.config["title"]
R = STUDY.root
LOGS = placed(f"logs/{STUDY.name}")
SCRIPTS = ROOT / "workflow" / "scripts"
TEMPLATES = ROOT / "src" / "spoofscope" / "templates"
ENVIRONMENT = ROOT / "envs" / "environment.yaml"


def one_of(names):
    # A pattern that matches these names only; with none it matches nothing at all.
    return "|".join(sorted(map(re.escape, names))) or "(?!)"


FEATURES = sorted(
    {STUDY.features_id(run) for run in STUDY.runs if STUDY.is_cached(run)}
)
ADOPTED = STUDY.runs_of("adopted")
FOREIGN = STUDY.runs_of("foreign")
FUSIONS = {STUDY.fusion_id(name): name for name in STUDY.config.get("fusion", {})}


wildcard_constraints:
    corpus=one_of([*STUDY.corpora, *STUDY.copies]),
    run=one_of(STUDY.runs),
    adopted=one_of(ADOPTED),
    foreign=one_of(FOREIGN),
    fusion=one_of(FUSIONS),
    system=one_of([*STUDY.runs, *FUSIONS]),
    features=one_of(FEATURES),
    seed=r"\d+",
    split="train|dev|eval",
    shard=r"\d+-of-\d+",
    backbone=one_of(
        STUDY.backbone_id(name) for name in STUDY.config.get("backbones", {})
    ),


keep_digests_in(".snakemake/spoofscope/syntax.json")

# Code digest of a rule's parameters to the source files behind it; launch.smk records them.
CODE = {}


@functools.cache
def code_of(rule_name, modules, templates):
    script = SCRIPTS / f"{rule_name}.py"
    files = [TEMPLATES / template for template in templates]
    digest = code_digest(script, modules, files=files)
    CODE[digest] = code_closure(script, modules, files=files)
    return digest


def with_code(rule_name, modules=(), templates=(), origins=(), **values):
    """The one parameter of a rule: its values, the digest of the code behind it, and a digest of the
    parameters behind its inputs. Keys are sorted, so it is the same however the study file is
    ordered.

    Call it in a function of the wildcards: what only some jobs need is then digested for them
    alone, and an edit of it hinders no others.
    """
    values["code"] = code_of(rule_name, tuple(modules), tuple(templates))
    if origins:
        values["upstream"] = hash8(sorted(set(origins)))
    return plain(values)


# A job that fails loses its outputs, and Snakemake misses no file that nothing asks for: what was
# made from the former outputs would pass for fresh. So every job's parameter holds a digest of the
# parameters before it, and stays changed until all of it has been made again.
def origin(params, **wildcards):
    """Digest of the parameter of the job that makes an input, and so of all that is before it."""
    return _origin(params, tuple(sorted((k, str(v)) for k, v in wildcards.items())))


@functools.cache
def _origin(params, wildcards):
    values = params(SimpleNamespace(**dict(wildcards)))
    # Recordings are compared by the hashes that the job writes into its output.
    return hash8({key: value for key, value in values.items() if key != "recordings"})


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


def growing(mb):
    """Memory of a job in MB: as much again for every time that it has failed."""
    return lambda wildcards, attempt: mb * attempt


def shard_names(split):
    count = STUDY.shards(split)
    return [f"{i}-of-{count}" for i in range(1, count + 1)]


def feature_shards(features, corpus, split, suffix):
    return [
        f"{R}/features/{features}/{corpus}/{split}-{shard}.{suffix}"
        for shard in shard_names(split)
    ]


def training_sources(run, kind):
    """(corpus, split) pairs that a training reads: kind `train` or `dev`; of an adopted detector
    its reference.
    """
    detector = STUDY.run(run).detector
    if kind == "train":
        sources = STUDY.train_sources(detector)
    else:
        sources = STUDY.dev_sources(detector)
    return [(source["corpus"], kind) for source in sources]


def detector_folder(run, seed):
    return f"{R}/detectors/{run}/seed{seed}"


# --- targets -----------------------------------------------------------------------------------


def target(files, absent=None):
    """Input function of what may be asked for: `files` are listed when it is.

    A study that has none of them refuses with the sentence `absent`; without one it makes nothing.
    """

    def lacking():
        if absent and not files():
            return f"study {STUDY.name!r} has nothing to make that from: {absent}"

    def given(wildcards):
        if message := lacking():
            raise ConfigError(message)
        return files()

    # Looked at before any job is planned, where it is asked for by name.
    given.lacking = lacking
    return given


NO_SHOWN = (
    "no system is scored on an eval split, or there are more than a figure can show (name some, key "
    "`figures.systems`)"
)
NO_FEATURES = "no front-end is both frozen and cached (keys `fine_tune` and `cache`)"
NO_ATTRIBUTION = "no detector is explained (section `attribution`)"
NO_SEGMENTS = (
    "no detector is explained on a corpus that says where its artefacts are (section `attribution`, "
    "and the key `segments` of its corpus)"
)
NO_LAYERS = "no detector has an SSL front-end (`type: ssl`)"
NO_CURVES = (
    "no detectors differ in nothing but the `n_layers` of their front-end, and none are listed "
    "(section `layers`, key `curves`)"
)
NO_PROBES = "no layers are probed (section `layers`, key `probes`)"
NO_COSTS = "no costs are measured (section `layers`, key `costs`)"
NO_FINGERPRINTS = (
    "no fingerprints are made (section `fingerprints`), and no detector has the back-end "
    "`fingerprint`"
)
NO_ARTEFACTS = (
    "no trials are measured (section `artefacts`), or not for a system that figures show (key "
    "`figures.systems`)"
)
NO_COMPARISONS = (
    "no systems are compared (section `comparisons`), or there are more than a figure can show (key "
    "`comparisons.systems`)"
)
NO_RELIABILITY = (
    "no probabilities are looked at (section `reliability`), or there are more systems than a "
    "figure can show (key `reliability.systems`)"
)
NO_AVERAGES = "no attributions are averaged (section `attribution`, key `averages`)"
NO_DISAGREEMENTS = "no disagreements are looked for (section `disagreements`)"
NO_GENERATORS = (
    "no detectors are held against generators (section `generators`), or there are more than a "
    "figure can show (key `generators.systems`)"
)
NO_BREAKDOWNS = "no conditions are given (section `conditions`), or nothing is scored on an eval split"
NO_GRIDS = (
    "no detectors or fusions are points of a grid (an entry with the key `grid`, of more than one "
    "point)"
)
NO_EXPORTS = "no scores are exported (section `exports`)"


def audits():
    return [f"{R}/audits/{corpus}.tsv" for corpus in STUDY.corpora]


def manifests():
    return [f"{R}/manifests/{corpus}.tsv" for corpus in [*STUDY.corpora, *STUDY.copies]]


def features():
    """Cached output of front-ends: of what detectors are trained on, and of what they score."""
    trained = [
        path
        for run in STUDY.runs
        if STUDY.is_cached(run)
        for path in training_features(SimpleNamespace(run=run))
    ]
    scored = {
        (STUDY.features_id(run), *pair)
        for run in STUDY.runs
        if STUDY.is_cached(run)
        for pair in STUDY.scored_by(run)
    }
    shards = [path for each in scored for path in feature_shards(*each, "safetensors")]
    return sorted({*trained, *shards})


def weights():
    return [
        f"{detector_folder(run, seed)}/model.safetensors"
        for run, seed in STUDY.detector_seeds()
    ]


def scores():
    return [
        f"{R}/scores/{system}/seed{seed}/{corpus}.{split}.tsv"
        for system, seed, corpus, split in STUDY.scorings()
    ]


def metrics():
    return [
        f"{R}/metrics/{system}/seed{seed}/{corpus}.{split}.tsv"
        for system, seed, corpus, split in STUDY.scorings()
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


def averaged():
    """(run, seed, corpus, split) of every detector whose attributions are averaged, each with its
    first seed.
    """
    averages = STUDY.averages()
    if averages is None:
        return []
    runs = [STUDY.run_of(name) for name in averages["detectors"]]
    trials = (averages["corpus"], averages["split"])
    return [(run.id, run.seeds[0], *trials) for run in runs]


def attributions():
    if not attributed():
        return []
    corpus = STUDY.config["attribution"]["corpus"]
    parts = ["safetensors", "regions.tsv", "summary.tsv", "checks.tsv"]
    if localised():
        parts.append("localisation.tsv")
    of_clips = [
        f"{R}/attributions/{run}/seed{seed}/{corpus}.{part}"
        for run, seed in attributed()
        for part in parts
    ]
    return [*of_clips, *averaged_maps()]


def artefact_sets():
    return [
        (entry["corpus"], entry["split"])
        for entry in STUDY.config.get("artefacts", {}).get("trials", [])
    ]


def correlated():
    """(run, seed, corpus, split) of all scores that are held against measures: of every detector
    those with its first seed.
    """
    return [
        (run.id, run.seeds[0], corpus, split)
        for run in STUDY.runs.values()
        for corpus, split in artefact_sets()
        if (corpus, split) in STUDY.scored_by(run.id)
    ]


def shown_correlations():
    shown = STUDY.shown()
    return [entry for entry in correlated() if entry[:2] in shown]


def artefacts():
    return [
        f"{R}/artefacts/{corpus}.{split}.rates.tsv" for corpus, split in artefact_sets()
    ] + [
        f"{R}/artefacts/{run}/seed{seed}/{corpus}.{split}.correlations.tsv"
        for run, seed, corpus, split in correlated()
    ]


def disagreements():
    """Of every entry its list and its counts; the list names the exported audio."""
    return [
        f"{R}/disagreements/{name}.{suffix}"
        for name in DISAGREEMENTS
        for suffix in ("tsv", "counts.tsv")
    ]


def layered():
    """(run, seed) of every detector that mixes SSL layers."""
    return [
        (run, seed)
        for run, seed in STUDY.detector_seeds()
        if STUDY.run(run).settings["frontend"]["type"] == "ssl"
    ]


def layer_mixes():
    return [f"{R}/layers/{run}/seed{seed}.tsv" for run, seed in layered()]


def layers():
    return [*layer_mixes(), *probe_tables(), *cost_tables()]


def fingerprint_parts():
    """Suffix to path of all that is made of the corpus in the section `fingerprints`."""
    if "fingerprints" not in STUDY.config:
        return {}
    stem = f"{R}/fingerprints/{STUDY.config['fingerprints']['corpus']}"
    return {
        part: f"{stem}.{part}"
        for part in ("safetensors", "clips.tsv", "stability.tsv", "sounds.tsv")
    }


def nearest_tests():
    """(run, seed, corpus, split) of every test of a detector of fingerprints, with its first seed."""
    return [
        (run.id, run.seeds[0], corpus, split)
        for run in STUDY.runs.values()
        if run.settings.get("backend", {}).get("type") == "fingerprint"
        for corpus, split in STUDY.scored_by(run.id)
        if split == "eval"
    ]


def fingerprints():
    return [*fingerprint_parts().values()] + [
        f"{R}/fingerprints/{run}/seed{seed}/{corpus}.{split}.{part}.tsv"
        for run, seed, corpus, split in nearest_tests()
        for part in ("nearest", "confusion")
    ]


def figure_names():
    names = []
    if shown_scorings():
        names += ["det_curves", "score_histograms"]
        names += ["eer_by_condition", "train_test_matrix"]
    if generator_matrix():
        names += ["generator_matrix"]
    if comparison_table():
        names += ["comparisons"]
    if reliability_scores():
        names += ["reliability"]
    if DISAGREEMENTS:
        names += ["disagreements"]
    if attributed():
        names += ["attribution_examples"]
    if localised():
        names += ["localisation"]
    if averaged():
        names += ["attribution_mean"]
    if layered():
        names += ["layer_weights", "layer_weight_map"]
    if CURVES:
        names += ["layer_depth"]
    if PROBES:
        names += ["layer_probes", "layer_probe_map"]
    if cost_tables():
        names += ["layer_pareto"]
    if fingerprint_parts():
        names += ["fingerprint_means", "fingerprint_differences"]
    if shown_correlations():
        names += ["artefact_correlations"]
    return names + [f"grid_{grid}" for grid in STUDY.grids]


def table_names():
    names = ["runs"]
    if STUDY.scorings():
        names += ["headline"]
    if compared_scores():
        names += ["comparisons"]
    if broken_down():
        names += ["breakdowns"]
    if generator_scores():
        names += ["generator_matrix"]
    return names + [f"grid_{grid}" for grid in STUDY.grids]


def figures():
    return [
        f"{R}/figures/{name}.{suffix}"
        for name in figure_names()
        for suffix in ("pdf", "png", "tsv")
    ]


def tables():
    return [f"{R}/tables/{name}.tsv" for name in table_names()]
