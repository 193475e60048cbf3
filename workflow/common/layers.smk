# Inputs, parameters and targets of the rules in rules/layers.smk.


PROBES = STUDY.config.get("layers", {}).get("probes", {})
POOLS = {STUDY.pool_id(name): STUDY.probe_settings(name) for name in PROBES}


wildcard_constraints:
    pool=one_of(POOLS),
    probe=one_of(PROBES),


# --- learned mixes -----------------------------------------------------------------------------


def params_layer_weights(wildcards):
    settings = STUDY.run(wildcards.run).settings
    return with_code(
        "layer_weights",
        component_modules(settings),
        origins=[detector_origin(wildcards.run, wildcards.seed)],
        run=wildcards.run,
        detector=STUDY.run(wildcards.run).detector,
        seed=int(wildcards.seed),
        folder=detector_folder(wildcards.run, wildcards.seed),
    )


# --- depth -------------------------------------------------------------------------------------


def ssl_runs():
    return [STUDY.run(run) for run in dict.fromkeys(run for run, _ in layered())]


def backbone_place(run):
    """The folder of a backbone, or its family where a detector brings all weights itself."""
    backbone = run.settings["frontend"]["backbone"]
    return backbone.get("folder", backbone["family"])


def ssl_described():
    """Which backbone, and how much of it, every SSL detector reads."""
    return [
        {
            "detector": run.detector,
            "backbone": Path(backbone_place(run)).name,
            "n_layers": run.settings["frontend"].get("n_layers"),
        }
        for run in ssl_runs()
    ]


def family_of(run):
    """What detectors of a family share: all that determines them but the depth."""
    frontend = {
        key: value
        for key, value in run.settings["frontend"].items()
        if key != "n_layers"
    }
    return hash8({**run.settings, "frontend": frontend})


def family_name(detectors):
    """The words that the names of a family have in common, or the first name."""
    words = [name.split("_") for name in detectors]
    shared = [of_place[0] for of_place in zip(*words) if len(set(of_place)) == 1]
    return "_".join(shared) or detectors[0]


def found_curves():
    families = {}
    for run in ssl_runs():
        families.setdefault(family_of(run), []).append(run)
    curves = {}
    for runs in families.values():
        if len(runs) > 1:
            detectors = [run.detector for run in runs]
            name = family_name(detectors)
            curves[name if name not in curves else detectors[0]] = runs
    return curves


def curve_runs():
    """Name to the runs of every depth curve: those that the study lists, or else finds."""
    listed = STUDY.config.get("layers", {}).get("curves")
    if listed is None:
        return found_curves()
    return {
        name: [STUDY.run_of(detector) for detector in detectors]
        for name, detectors in listed.items()
    }


CURVES = curve_runs()


def known_depth(run):
    """How many layers a run keeps; None for all that a backbone has whose folder tells."""
    frontend = run.settings["frontend"]
    stored = frontend["backbone"].get("architecture", {})
    return frontend.get("n_layers") or stored.get("num_hidden_layers")


def depth_points():
    """What the figure of depth curves has to know of each run."""
    return {
        name: [
            {
                "detector": run.detector,
                "run": run.id,
                "n_layers": known_depth(run),
                "backbone": run.settings["frontend"]["backbone"].get("folder"),
            }
            for run in runs
        ]
        for name, runs in CURVES.items()
    }


def tested(runs):
    """(run id, seed, corpus, split) of all that runs are evaluated on."""
    return [
        (run.id, seed, corpus, split)
        for run in runs
        for seed in run.seeds
        for corpus, split in STUDY.scored_by(run.id)
        if split == "eval"
    ]


def tested_metrics(runs):
    return [
        f"{R}/metrics/{run}/seed{seed}/{corpus}.{split}.tsv"
        for run, seed, corpus, split in tested(runs)
    ]


def tested_origins(runs):
    return [
        origin(
            params_compute_metrics, system=run, seed=seed, corpus=corpus, split=split
        )
        for run, seed, corpus, split in tested(runs)
    ]


def depth_runs():
    """Every run that is on a depth curve."""
    return list({run.id: run for runs in CURVES.values() for run in runs}.values())


def depth_metrics():
    return tested_metrics(depth_runs())


def depth_origins():
    return tested_origins(depth_runs())


def depth_backbones():
    # They tell how many layers those detectors have that keep all.
    return sorted(
        {
            f"{run.settings['frontend']['backbone']['folder']}/config.json"
            for run in depth_runs()
            if known_depth(run) is None
        }
    )


# --- probes ------------------------------------------------------------------------------------


def kept_frames(pool):
    """The (corpus, split) of which a detector's features are kept with the settings of a pool."""
    found = set()
    for run in STUDY.runs:
        if STUDY.is_cached(run) and STUDY.features_id(run) == pool:
            kinds = ["train", "dev"] if STUDY.trains_on_features(run) else ["dev"]
            found.update(pair for kind in kinds for pair in training_sources(run, kind))
            found.update(STUDY.scored_by(run))
    return found


def pooled_features(wildcards):
    if (wildcards.corpus, wildcards.split) not in kept_frames(wildcards.pool):
        return []
    stem = (
        f"{R}/features/{wildcards.pool}/{wildcards.corpus}/"
        f"{wildcards.split}-{wildcards.shard}"
    )
    return [f"{stem}.safetensors", f"{stem}.tsv"]


def pool_backbone(wildcards):
    return backbone_files(POOLS[wildcards.pool]["frontend"])


def params_pool_layers(wildcards):
    settings = POOLS[wildcards.pool]
    origins = [
        table_origin(wildcards.corpus),
        *backbone_origins(settings["frontend"]),
    ]
    if pooled_features(wildcards):
        origins.append(
            origin(
                params_extract_features,
                features=wildcards.pool,
                corpus=wildcards.corpus,
                split=wildcards.split,
                shard=wildcards.shard,
            )
        )
    return with_code(
        "pool_layers",
        component_modules(settings),
        origins=origins,
        settings=settings,
        shard=wildcards.shard,
        split=wildcards.split,
    )


def pooled_shards(pool, corpus, split):
    return [
        f"{R}/layers/pooled/{pool}/{corpus}/{split}-{shard}.safetensors"
        for shard in shard_names(split)
    ]


def probe_sets(probe):
    """By purpose, the corpora and splits of a probe, with the systems it is limited to."""
    entry = PROBES[probe]
    tests = [
        {"corpus": trials["corpus"], "split": split}
        for trials in entry.get("score", [])
        for split in trials["splits"]
    ] or [{"corpus": corpus, "split": split} for corpus, split in eval_sets()]
    return {
        "train": [{**source, "split": "train"} for source in entry["data"]],
        "dev": [{**source, "split": "dev"} for source in STUDY.probe_dev(probe)],
        "test": tests,
    }


def probe_pairs(probe):
    """Every (corpus, split) that a probe reads."""
    return sorted(
        {
            (entry["corpus"], entry["split"])
            for entries in probe_sets(probe).values()
            for entry in entries
        }
    )


def probe_pooled(wildcards):
    pool = STUDY.pool_id(wildcards.probe)
    shards = [
        path
        for corpus, split in probe_pairs(wildcards.probe)
        for path in pooled_shards(pool, corpus, split)
    ]
    return shards + [path.replace(".safetensors", ".tsv") for path in shards]


def probe_manifests(wildcards):
    return manifests_of(probe_pairs(wildcards.probe))


def params_probe_layers(wildcards):
    pool = STUDY.pool_id(wildcards.probe)
    entry = PROBES[wildcards.probe]
    pairs = probe_pairs(wildcards.probe)
    return with_code(
        "probe_layers",
        origins=[
            *(table_origin(corpus) for corpus, _ in pairs),
            *(
                origin(
                    params_pool_layers,
                    pool=pool,
                    corpus=corpus,
                    split=split,
                    shard=shard,
                )
                for corpus, split in pairs
                for shard in shard_names(split)
            ),
        ],
        probe=wildcards.probe,
        sets={
            purpose: [
                {
                    **each,
                    "manifest": f"{R}/manifests/{each['corpus']}.tsv",
                    "pooled": pooled_shards(pool, each["corpus"], each["split"]),
                }
                for each in entries
            ]
            for purpose, entries in probe_sets(wildcards.probe).items()
        },
        options={
            key: entry[key] for key in ("regularisation", "utterances") if key in entry
        },
        conditions=STUDY.config.get("conditions", []),
        **bootstrap_options(),
    )


def probe_tables():
    return [f"{R}/layers/probes/{probe}.tsv" for probe in PROBES]


def probe_described():
    """What captions say about every probe: its front-end and what it was trained on."""
    return {
        name: [entry["frontend"], [source["corpus"] for source in entry["data"]]]
        for name, entry in PROBES.items()
    }


def probe_origins():
    return [origin(params_probe_layers, probe=probe) for probe in PROBES]


# --- costs -------------------------------------------------------------------------------------


def measured():
    """The runs whose costs are measured."""
    costs = STUDY.config.get("layers", {}).get("costs")
    if costs is None:
        return []
    names = costs.get("detectors")
    return ssl_runs() if names is None else [STUDY.run_of(name) for name in names]


def cost_tables():
    # Among the benchmarks, because times are not the same bytes in every run.
    return [f"{R}/benchmarks/layer_costs.tsv"] if measured() else []


def cost_backbones(wildcards):
    return sorted(
        {
            path
            for run in measured()
            for path in backbone_files(run.settings["frontend"])
        }
    )


# Detectors that bring all weights themselves have no backbone: a list that is empty may be right.
cost_backbones.lacking = target(measured, absent=NO_COSTS).lacking


def params_layer_costs(wildcards):
    options = dict(STUDY.config.get("layers", {}).get("costs", {}))
    options.pop("detectors", None)
    architecture = ("frontend", "backend", "input")
    return with_code(
        "layer_costs",
        sorted(
            {part for run in measured() for part in component_modules(run.settings)}
        ),
        origins=[
            made
            for run in measured()
            for made in backbone_origins(run.settings["frontend"])
        ],
        detectors=[
            {
                "run": run.id,
                "detector": run.detector,
                "settings": {key: run.settings[key] for key in architecture},
            }
            for run in measured()
        ],
        options=options,
    )


def measured_metrics():
    return tested_metrics(measured())


def pareto_origins():
    return [*tested_origins(measured()), origin(params_layer_costs)]


def measured_names():
    return [run.detector for run in measured()]


def curve_members():
    return {name: [run.id for run in runs] for name, runs in CURVES.items()}
