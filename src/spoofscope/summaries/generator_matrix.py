"""Every detector on every generator: those in its training data, and all others."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.disagreements import threshold_at_eer
from spoofscope.errors import ConfigError
from spoofscope.exhibits import Table
from spoofscope.metrics import generators
from spoofscope.names import MEAN_OF_ALL, MEAN_OF_UNSEEN
from spoofscope.settings import stored_threshold
from spoofscope.tables import (
    join_scores,
    read_manifest,
    read_scores,
    read_table,
    rows_of_source,
    write_table,
)

TABLE = Table(
    title="Trained on one generator, tested on another",
    shows="Error rates of every detector on every generator, by its training data.",
    caption=(
        "Equal error rate of every detector on each generator (attack) against bona fide clips: "
        "mean over training seeds, standard deviation over them (population), lowest and highest. "
        "relation is the relation between generator and detector: trained on, dev only (in the "
        "data of model selection and threshold), left out (excluded from the training on "
        "purpose), unseen. (mean of unseen) averages the last two with equal weights, (mean of "
        "all) averages all. accuracy, balanced_accuracy and eer_hard are at the threshold chosen "
        "on development data; eer_hard is the rate that published tables compute from decisions, "
        "for comparison with these tables only."
    ),
    needs="generator_scores",
    place=50,
    more=("seeds",),
)

_read_manifest = functools.cache(read_manifest)


def make(
    systems: Sequence[Mapping[str, Any]],
    sets: Sequence[Mapping[str, Any]],
    chosen_on: Mapping[str, str] | None,
    outputs: Mapping[str, str],
    **bootstrap: Any,
) -> None:
    """Write the table of :func:`generator_table` (`seeds`), and its means over seeds (`table`)."""
    rates = generator_table(systems, sets, chosen_on, **bootstrap)
    write_table(outputs["table"], generators.over_trainings(rates))
    write_table(outputs["seeds"], rates)


def generator_table(
    systems: Sequence[Mapping[str, Any]],
    sets: Sequence[Mapping[str, Any]],
    chosen_on: Mapping[str, str] | None = None,
    *,
    resamples: int = 0,
    bootstrap_seed: int = 1,
    cluster: str | None = None,
) -> pl.DataFrame:
    """Error rates of every detector and seed on every generator of every set that it scores.

    Args:
        systems: per detector or fusion name, family (detectors that differ in nothing but their
            data share one), train and dev (lists of sources; None where the training is not known),
            and `seeds`: per seed its number, the file that knows its threshold (None where there is
            none) and its score files by `{corpus}.{split}`.
        sets: corpus, split, `match` (see `metrics.generators.cells`), manifest and data. A source
            has manifest, data, and where given attacks and exclude_attacks. `data` says which audio
            a corpus holds: generators of one name are the same in corpora of the same data alone.
        chosen_on: manifest and split of trials at whose equal error rate all systems decide; the
            files that know the thresholds are their scores of these then.
        resamples, bootstrap_seed, cluster: of the intervals, as in `metrics.tables.evaluate`.

    Returns:
        name, seed, family, trained_on (generators, with commas between), corpus, split, relation,
        then the columns of `metrics.generators.cells`; per detector, seed and set a row for each
        generator, then all spoofs together ("pooled"), then the means over generators.

    Raises:
        ConfigError: none of the systems is scored on one of the sets.
        TableError: as `metrics.generators.cells`, `tables.rows_of_source` and
            `tables.join_scores`.
    """
    parts = []
    for test in sets:
        corpus, split = test["corpus"], test["split"]
        trials = _read_manifest(test["manifest"]).filter(pl.col("split") == split)
        name = f"{test['manifest']} ({split})"
        of_set = [s for s in systems if f"{corpus}.{split}" in s["seeds"][0]["scores"]]
        if not of_set:
            raise ConfigError(
                f"generators: {corpus}.{split} is scored by none of the systems; see the keys "
                "`score`"
            )
        for system in of_set:
            relations = _relations(system, test["data"], sorted(set(trials["attack"]) - {"-"}))
            for seed in system["seeds"]:
                scores = seed["scores"][f"{corpus}.{split}"]
                joined = join_scores(
                    read_scores(scores), trials, scores_name=scores, trials_name=name
                )
                threshold = _threshold(seed["threshold"], chosen_on)
                cells = generators.cells(
                    joined,
                    threshold,
                    test["match"],
                    name,
                    resamples=resamples,
                    seed=bootstrap_seed,
                    cluster=cluster,
                )
                related = cells.table.with_columns(
                    pl.col("generator")
                    .replace_strict(relations, default="-", return_dtype=pl.String)
                    .alias("relation")
                )
                means = generators.averages(related, cells.measured)
                parts.append(
                    pl.concat([related, means.select(related.columns)]).select(
                        pl.lit(system["name"]).alias("name"),
                        pl.lit(seed["seed"], pl.Int64).alias("seed"),
                        pl.lit(system["family"]).alias("family"),
                        pl.lit(_trained_on(system)).alias("trained_on"),
                        pl.lit(corpus).alias("corpus"),
                        pl.lit(split).alias("split"),
                        "relation",
                        pl.exclude("relation"),
                    )
                )
    return pl.concat(parts)


def _attacks_of(source: Mapping[str, Any], split: str) -> set[str]:
    """The generators that a source has in a split."""
    manifest = _read_manifest(source["manifest"])
    chosen = source.get("attacks"), source.get("exclude_attacks", ())
    rows = rows_of_source(manifest, split, source["manifest"], *chosen)
    return set(rows["attack"]) - {"-"}


def attacks_trained_on(sources: Sequence[Mapping[str, Any]], data: str) -> set[str]:
    """The attacks in the training data of a system that has these sources, of those in some data.

    Args:
        sources: manifest, data, and where given attacks and exclude_attacks.
        data: which audio a corpus holds: attacks of one name are the same there alone.

    Raises:
        TableError: as `tables.rows_of_source`.
    """
    of_data = [source for source in sources if source["data"] == data]
    return set().union(*(_attacks_of(source, "train") for source in of_data))


def _relations(system: Mapping[str, Any], data: str, attacks: Sequence[str]) -> dict[str, str]:
    """The relation of each generator in a set of that data to a detector's data."""
    if system["train"] is None:
        return dict.fromkeys(attacks, generators.UNKNOWN)
    trained_on = attacks_trained_on(system["train"], data)
    train = [source for source in system["train"] if source["data"] == data]
    dev = [source for source in system["dev"] if source["data"] == data]
    selected_on = set().union(*(_attacks_of(source, "dev") for source in dev))
    left_out = {name for source in train for name in source.get("exclude_attacks", ())}
    return {name: generators.relation(name, trained_on, selected_on, left_out) for name in attacks}


def _trained_on(system: Mapping[str, Any]) -> str:
    if system["train"] is None:
        return generators.UNKNOWN
    attacks = set().union(*(_attacks_of(source, "train") for source in system["train"]))
    return ", ".join(sorted(attacks))


def _threshold(path: str | None, chosen_on: Mapping[str, str] | None) -> float | None:
    """The threshold at equal error rate on development data; imported weights have none."""
    if path is None:
        return None
    if chosen_on is not None:
        trials = _read_manifest(chosen_on["manifest"]).filter(split=chosen_on["split"])
        return threshold_at_eer(read_scores(path), trials, path)
    return stored_threshold(path)


def read_generator_matrix(path: str) -> pl.DataFrame:
    """The table of `metrics.generators.over_trainings`; numbers that are not defined are null.

    Raises:
        TableError: as `tables.read_table`.
    """
    texts = ("name", "family", "trained_on", "corpus", "split", "relation", "generator")
    counts = ("n_generators", "n_bonafide", "n_spoof", "n_seeds")
    return read_table(
        path,
        dict.fromkeys(texts, pl.String()),
        dict.fromkeys(counts, pl.Int64()),
        rest=pl.Float64(),
    )


def generator_summary(path: str) -> list[dict[str, Any]]:
    """The page's rows for each detector and set: means over generators, and the hardest one.

    Args:
        path: the table `generator_matrix`.

    Returns:
        Per detector and set its texts, `unseen` and `all` (rows of means), and `hardest`: the row
        of the unseen generator with the highest EER (the first of `n_hardest` that share it), None
        if there is no unseen generator or the training data are not known.
    """
    table = read_generator_matrix(path)
    places = table.select("name", "trained_on", "corpus", "split").unique(maintain_order=True)
    unseen = table.filter(pl.col("relation").is_in([generators.UNSEEN, generators.LEFT_OUT]))
    summary = []
    for place in places.iter_rows(named=True):
        of_detector = table.filter(**place)
        hardest = unseen.filter(**place).sort("eer", descending=True, maintain_order=True)
        summary.append(
            {
                **place,
                "unseen": of_detector.filter(generator=MEAN_OF_UNSEEN).row(0, named=True),
                "all": of_detector.filter(generator=MEAN_OF_ALL).row(0, named=True),
                "hardest": hardest.row(0, named=True) if hardest.height else None,
                "n_hardest": hardest.filter(pl.col("eer") == pl.col("eer").max()).height,
            }
        )
    return summary
