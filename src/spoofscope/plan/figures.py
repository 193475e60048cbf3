"""Which figures a study has, and what each is drawn from."""

from functools import cached_property
from typing import Any

from spoofscope.errors import ConfigError
from spoofscope.layout import Scoring
from spoofscope.plan.artefacts import NO_ARTEFACTS, Artefacts
from spoofscope.plan.attribution import NO_ATTRIBUTION, NO_AVERAGES, NO_SEGMENTS, Attribution
from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.comparisons import NO_COMPARISONS, Comparisons
from spoofscope.plan.disagreements import NO_DISAGREEMENTS, Disagreements
from spoofscope.plan.fingerprints import NO_FINGERPRINTS, Fingerprints
from spoofscope.plan.generators import NO_GENERATORS, Generators
from spoofscope.plan.grids import Grids
from spoofscope.plan.jobs import Context, Inputs, Product, Stage, Work, rule, rules_of, target
from spoofscope.plan.layers import NO_COSTS, NO_CURVES, NO_LAYERS, NO_PROBES, Layers
from spoofscope.plan.scoring import Scores
from spoofscope.study import MOST_SHOWN, Study

NO_SHOWN = (
    "no system is scored on an eval split, or there are more than a figure can show (name some, "
    "key `figures.systems`)"
)
NO_RELIABILITY = (
    "no probabilities are looked at (section `reliability`), or there are more systems than a "
    "figure can show (key `reliability.systems`)"
)


class Figures(Stage):
    """One rule per figure, in the order of the report. Those of grids belong to `Grids`."""

    @staticmethod
    def check(study: Study) -> None:
        """Which systems figures show, and whether a figure has room for them."""
        for section in ("reliability", "figures"):
            study.references.check_systems(section)
        if "figures" in study.config and len(study.shown()) > MOST_SHOWN:
            raise ConfigError(
                f"figures.systems: with their seeds these are {len(study.shown())}; figures can "
                f"show {MOST_SHOWN}"
            )

    def __init__(
        self,
        context: Context,
        data: Augmentation,
        scoring: Scores,
        comparisons: Comparisons,
        generators: Generators,
        disagreements: Disagreements,
        attribution: Attribution,
        layers: Layers,
        fingerprints: Fingerprints,
        artefacts: Artefacts,
        grids: Grids,
    ) -> None:
        super().__init__(context)
        self._data = data
        self._scoring = scoring
        self._comparisons = comparisons
        self._generators = generators
        self._disagreements = disagreements
        self._attribution = attribution
        self._layers = layers
        self._fingerprints = fingerprints
        self._artefacts = artefacts
        self._grids = grids

    # --- what all figures are given --------------------------------------------------------

    def _drawn(self, inputs: Inputs, **values: Any) -> Work:
        """A figure about all systems."""
        sets = [list(pair) for pair in self._scoring.eval_sets]
        common = {"systems": self._scoring.systems, "sets": sets, "root": self.layout.root}
        return Work(inputs=inputs, settings={**common, **values})

    def _drawn_for_shown(self, inputs: Inputs) -> Work:
        """A figure with a curve, a row or a panel for every system: it is told of no others than
        those that are shown.
        """
        shown = set(self.study.shown())
        systems = [s for s in self._scoring.systems if (s["id"], s["seed"]) in shown]
        return self._drawn(inputs, systems=systems, sets=[list(pair) for pair in self._shown_sets])

    @cached_property
    def _shown(self) -> list[Scoring]:
        return self._scoring.shown_scorings

    @cached_property
    def _shown_sets(self) -> list[tuple[str, str]]:
        return list(dict.fromkeys((s.corpus, s.split) for s in self._shown))

    def _shown_scores(self) -> dict[str, list[Product]]:
        return {
            "manifests": self._data.manifests_of(self._shown_sets),
            "scores": [self._scoring.of(scoring) for scoring in self._shown],
        }

    def _shown_metrics(self) -> dict[str, list[Product]]:
        return {"metrics": self._scoring.metrics_of(self._shown)}

    # --- error rates -----------------------------------------------------------------------

    @rule(absent=NO_SHOWN, when=lambda self: self._shown)
    def figure_det_curves(self) -> Work:
        """Of every system on every eval set."""
        return self._drawn_for_shown(self._shown_scores())

    @rule(absent=NO_SHOWN, when=lambda self: self._shown)
    def figure_score_histograms(self) -> Work:
        """Of both classes, with the threshold."""
        thresholds = [self._scoring.threshold(*system) for system in self.study.shown()]
        return self._drawn_for_shown(
            {**self._shown_scores(), "thresholds": [path for path in thresholds if path]}
        )

    @rule(absent=NO_SHOWN, when=lambda self: self._shown)
    def figure_eer_by_condition(self) -> Work:
        """With intervals."""
        return self._drawn_for_shown(self._shown_metrics())

    @rule(absent=NO_SHOWN, when=lambda self: self._shown)
    def figure_train_test_matrix(self) -> Work:
        """By training data and attack."""
        return self._drawn_for_shown(self._shown_metrics())

    @rule(absent=NO_GENERATORS, when=lambda self: self._generators.drawn)
    def figure_generator_matrix(self) -> Work:
        """By detector and generator."""
        return self._drawn({"table": self._generators.drawn})

    @rule(absent=NO_COMPARISONS, when=lambda self: self._comparisons.compared)
    def figure_comparisons(self) -> Work:
        """Of systems in pairs."""
        job = self._comparisons.table_comparisons()
        return self._drawn({"table": [job.product(self.layout.table("comparisons"))]})

    @cached_property
    def _judged_probabilities(self) -> list[Product]:
        return [self._scoring.of(s) for s in self._scoring.chosen_scorings("reliability")]

    @rule(absent=NO_RELIABILITY, when=lambda self: self._judged_probabilities)
    def figure_reliability(self) -> Work:
        """Of probabilities, before and after calibration."""
        options = self.study.config["reliability"]
        calibrations = {
            system: self._scoring.threshold(system, seed)
            for system, seed in self.study.chosen("reliability")
        }
        known = {system: path for system, path in calibrations.items() if path}
        return self._drawn(
            {
                "detectors": list(known.values()),
                "manifests": self._data.manifests_of(self._scoring.eval_sets),
                "scores": self._judged_probabilities,
            },
            bins=options.get("bins", 15),
            chosen=self._scoring.chosen_systems("reliability"),
            prior=options.get("prior", 0.5),
            with_calibration=list(known),
            **self._scoring.bootstrap(),
        )

    @rule(absent=NO_DISAGREEMENTS, when=lambda self: self._disagreements.entries)
    def figure_disagreements(self) -> Work:
        """Scores of two systems against each other."""
        return self._drawn(
            {
                "disagreements": self._disagreements.disagreements.products,
                "manifests": self._disagreements.judged_manifests(),
                "scores": self._disagreements.judged_scores(),
            },
            entries=self._disagreements.described(),
        )

    # --- attribution -----------------------------------------------------------------------

    def _explained(self) -> list[list[Any]]:
        return [
            [run, seed, self.study.run(run).detector] for run, seed in self._attribution.explained
        ]

    @rule(absent=NO_ATTRIBUTION, when=lambda self: self._attribution.explained)
    def figure_attribution_examples(self) -> Work:
        """Over waveform and spectrogram."""
        corpus = self._attribution.options["corpus"]
        return self._drawn(
            {
                "attributions": self._attribution.files("safetensors"),
                "manifest": self._data.manifest(corpus),
                "segments": self._data.segments(corpus),
            },
            explained=self._explained(),
        )

    @rule(absent=NO_SEGMENTS, when=lambda self: self._attribution.localised)
    def figure_localisation(self) -> Work:
        """Of known segments by attribution."""
        return self._drawn(
            {"localisation": self._attribution.localisations}, explained=self._explained()
        )

    @rule(absent=NO_AVERAGES, when=lambda self: self._attribution.averaged)
    def figure_attribution_mean(self) -> Work:
        """By frequency and time."""
        return self._drawn(
            {"maps": self._attribution.averages("safetensors")},
            detectors=[self.study.run(s.system).detector for s in self._attribution.averaged],
        )

    # --- layers ----------------------------------------------------------------------------

    @rule(absent=NO_LAYERS, when=lambda self: self._layers.mixing)
    def figure_layer_weights(self) -> Work:
        """Per detector and seed."""
        return self._drawn({"layers": self._layers.mixes}, reading=self._layers.described_ssl())

    @rule(absent=NO_LAYERS, when=lambda self: self._layers.mixing)
    def figure_layer_weight_map(self) -> Work:
        """Mean over seeds."""
        return self._drawn({"layers": self._layers.mixes})

    @rule(absent=NO_CURVES, when=lambda self: self._layers.depth_metrics)
    def figure_layer_depth(self) -> Work:
        """Error rates by depth."""
        return self._drawn(
            {
                "backbones": self._layers.depth_backbones(),
                "metrics": self._layers.depth_metrics,
            },
            curves=self._layers.depth_points(),
        )

    @rule(absent=NO_PROBES, when=lambda self: self._layers.probes)
    def figure_layer_probes(self) -> Work:
        """Error rates by layer."""
        return self._drawn(
            {"probes": self._layers.probe_tables}, probes=self._layers.described_probes()
        )

    @rule(absent=NO_PROBES, when=lambda self: self._layers.probes)
    def figure_layer_probe_map(self) -> Work:
        """Error rates by layer and condition."""
        return self._drawn(
            {"probes": self._layers.probe_tables}, probes=self._layers.described_probes()
        )

    @rule(absent=NO_COSTS, when=lambda self: self._layers.measured)
    def figure_layer_pareto(self) -> Work:
        """Error rates against costs."""
        return self._drawn(
            {"costs": self._layers.costs, "metrics": self._layers.measured_metrics()},
            curves=self._layers.curve_members(),
            measured=[run.detector for run in self._layers.measured],
        )

    # --- fingerprints and artefacts --------------------------------------------------------

    @rule(absent=NO_FINGERPRINTS, when=lambda self: self._fingerprints.parts)
    def figure_fingerprint_means(self) -> Work:
        """Of every generator."""
        return self._drawn({"fingerprints": [self._fingerprints.parts["safetensors"]]})

    @rule(absent=NO_FINGERPRINTS, when=lambda self: self._fingerprints.parts)
    def figure_fingerprint_differences(self) -> Work:
        """To bona fide speech."""
        parts = self._fingerprints.parts
        return self._drawn(
            {"fingerprints": [parts["safetensors"]], "stability": [parts["stability.tsv"]]}
        )

    @rule(absent=NO_ARTEFACTS, when=lambda self: self._artefacts.shown_correlations)
    def figure_artefact_correlations(self) -> Work:
        """Of measures with scores."""
        return self._drawn_for_shown({"correlations": self._artefacts.shown_correlations})

    # --- all of them -----------------------------------------------------------------------

    @cached_property
    def names(self) -> list[str]:
        """Names of all figures that the study has, in the order of the report."""
        drawn = [
            name.removeprefix("figure_")
            for name, figure in rules_of(self).items()
            if figure.lacking() is None
        ]
        return drawn + [f"grid_{grid}" for grid in self.study.grids]

    @target()
    def figures(self) -> list[Product]:
        """Every figure, with its numbers."""
        products = []
        for name, figure in rules_of(self).items():
            if figure.lacking() is None:
                job = figure()
                drawn = name.removeprefix("figure_")
                for suffix in ("pdf", "png", "tsv"):
                    products.append(job.product(self.layout.figure(drawn, suffix)))
        return products + [path for grid in self.study.grids for path in self._grids.figure(grid)]
