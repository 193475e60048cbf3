"""Correlate measures with scores, and attribution with frame-level measures."""

from spoofscope.job import job

with job(snakemake) as cfg:
    import polars as pl

    from spoofscope import audio
    from spoofscope.artefacts.correlations import (
        FrameSeries,
        frame_correlations,
        score_correlations,
    )
    from spoofscope.artefacts.measures import frame_measures, read_measures
    from spoofscope.attribution.store import Attributions
    from spoofscope.metrics.tables import clusters_of, resampled_by
    from spoofscope.tables import read_manifest, read_scores, write_table

    trials = read_manifest(snakemake.input.manifest).filter(pl.col("split") == cfg["split"])
    tables = [
        score_correlations(
            read_measures(snakemake.input.measures),
            trials,
            read_scores(snakemake.input.scores),
            cfg["conditions"],
            permutations=cfg["permutations"],
            resamples=cfg["resamples"],
            seed=cfg["bootstrap_seed"],
            cluster=cfg["cluster"],
        )
    ]
    if snakemake.input.attributions:
        paths = dict(trials.select("utt_id", "path").iter_rows())
        column = resampled_by(trials, cfg["cluster"])
        clusters = (
            dict(zip(trials["utt_id"], clusters_of(trials, column), strict=True)) if column else {}
        )

        def series():
            for explanation in Attributions(snakemake.input.attributions):
                rate = explanation.settings.sample_rate
                samples, _ = audio.read(paths[explanation.utt_id], rate)
                seen = explanation.seen
                measures = frame_measures(samples, rate, explanation.times[seen])
                yield FrameSeries(
                    explanation.utt_id,
                    explanation.label,
                    explanation.attack,
                    explanation.evidence("bonafide")[seen],
                    measures,
                    explanation.settings.hop_seconds,
                    clusters.get(explanation.utt_id),
                )

        frames = frame_correlations(
            series(), resamples=cfg["resamples"], seed=cfg["bootstrap_seed"]
        )
        tables.append(frames.groups)
    write_table(
        snakemake.output[0],
        pl.concat(tables).select(
            pl.lit(cfg["run"]).alias("run"), pl.lit(cfg["run_seed"]).alias("seed"), pl.all()
        ),
    )
