"""Where everything lies that a study makes: every path once.

Imported while the workflow is parsed: standard library only. What takes the names of corpora, runs
or seeds also takes Snakemake's wildcards in their place, such as `layout.manifest("{corpus}")`.
"""

import os
from dataclasses import dataclass
from typing import NamedTuple


class Scoring(NamedTuple):
    """One score file: what a system says about one split of a corpus.

    system: run id of a detector, or id of a fusion. seed: of its training; 0 of a fusion, of a
    detector from elsewhere, and of scores of others.
    """

    system: str
    seed: int | str
    corpus: str
    split: str

    @property
    def trials(self) -> str:
        """`{corpus}.{split}`, the name of what is scored."""
        return f"{self.corpus}.{self.split}"

    @property
    def owner(self) -> tuple[str, int | str]:
        """The system with its seed."""
        return self.system, self.seed


@dataclass(frozen=True)
class Layout:
    """The paths below a study's two folders.

    root: of its results, `results/{study}`. data_root: of downloads, generated corpora and
    backbones, which studies share.
    """

    root: str
    data_root: str

    # --- what studies share ----------------------------------------------------------------

    def archive(self, checksum: str) -> str:
        """A downloaded archive."""
        return f"{self.data_root}/downloads/{checksum}.archive"

    def unpacked(self, archives: str) -> str:
        """The folder of unpacked archives; `archives` is the digest of their entries."""
        return f"{self.data_root}/unpacked/{archives}"

    def unpacked_list(self, archives: str) -> str:
        """The list of unpacked files, written when all of them are there."""
        return f"{self.unpacked(archives)}.json"

    def generated_corpus(self, generated: str) -> str:
        """The folder of a generated corpus; `generated` is the digest of its settings."""
        return f"{self.data_root}/mini/{generated}"

    def generated_file(self, generated: str, name: str) -> str:
        """A file of a generated corpus."""
        return f"{self.generated_corpus(generated)}/{name}"

    def spoken_corpus(self, spoken: str) -> str:
        """The folder of a corpus that synthesizers speak, by the digest of its settings."""
        return f"{self.data_root}/tts/{spoken}"

    def spoken_file(self, spoken: str, name: str) -> str:
        """A file of a corpus that synthesizers speak."""
        return f"{self.spoken_corpus(spoken)}/{name}"

    def generated_noise(self, noise: str) -> str:
        """The folder of generated noise; `noise` is `{digest}/{kind}`."""
        return f"{self.data_root}/mini_noise/{noise}"

    def generated_noise_list(self, noise: str) -> str:
        """The list of generated noise, written when all of it is there."""
        return f"{self.generated_noise(noise)}.tsv"

    def backbone(self, backbone: str) -> str:
        """The folder of a backbone that was downloaded or made."""
        return f"{self.data_root}/backbones/{backbone}"

    def backbone_file(self, backbone: str, name: str) -> str:
        """A file of such a backbone."""
        return f"{self.backbone(backbone)}/{name}"

    # --- work on many utterances -----------------------------------------------------------

    def journal(self, output: str) -> str:
        """The folder for what a job needs to go on after it was killed, by its first output."""
        stem, _ = os.path.splitext(output)
        return f"{self.root}/work/{stem.removeprefix(f'{self.root}/')}"

    def shard(self, output: str, shard: str) -> str:
        """What is finished of one shard of the work on an output."""
        folder, name = os.path.split(os.path.splitext(output)[0])
        return f"{folder}/shards/{name}-{shard}.jsonl"

    # --- corpora ---------------------------------------------------------------------------

    def manifest(self, corpus: str) -> str:
        """The utterances of a corpus or of an augmented copy."""
        return f"{self.root}/manifests/{corpus}.tsv"

    def problems(self, corpus: str) -> str:
        """What the manifest of a corpus leaves out, and why."""
        return f"{self.root}/manifests/{corpus}.problems.tsv"

    def segments(self, corpus: str) -> str:
        """The known artefacts in the utterances of a corpus or of an augmented copy."""
        return f"{self.root}/segments/{corpus}.tsv"

    def recordings(self, what: str) -> str:
        """What was read of a corpus, or of `noise.{kind}`."""
        return f"{self.root}/provenance/recordings/{what}.json"

    def audit(self, corpus: str, suffix: str) -> str:
        """The audit of a corpus: `tsv` or `html`."""
        return f"{self.root}/audits/{corpus}.{suffix}"

    def noise(self, kind: str) -> str:
        """The list of the recordings in a folder of noise or room responses."""
        return f"{self.root}/noise/{kind}.tsv"

    def augmented(self, corpus: str, copy: str) -> str:
        """The folder with the audio of an augmented copy."""
        return f"{self.root}/augmented/{corpus}/{copy}"

    def alignment(self, aligner: str, corpus: str, split: str) -> str:
        """Where phones or characters, words and silences are in the clips of a split."""
        return f"{self.root}/alignments/{aligner}/{corpus}.{split}.tsv"

    def aligned_clips(self, aligner: str, corpus: str, split: str) -> str:
        """How each of these clips was aligned, or why it was not."""
        return f"{self.root}/alignments/{aligner}/{corpus}.{split}.clips.tsv"

    def textgrids(self, aligner: str) -> str:
        """All intervals in the TextGrids of a folder."""
        return f"{self.root}/alignments/{aligner}/textgrids.tsv"

    # --- detectors and scores --------------------------------------------------------------

    def features(self, features: str, corpus: str, split: str, shard: str, suffix: str) -> str:
        """One shard of a front-end's output: `safetensors` or its index, `tsv`."""
        return f"{self.root}/features/{features}/{corpus}/{split}-{shard}.{suffix}"

    def detector(self, run: str, seed: int | str) -> str:
        """The folder of a detector."""
        return f"{self.root}/detectors/{run}/seed{seed}"

    def detector_file(self, run: str, seed: int | str, name: str) -> str:
        """A file of a detector, such as `detector.json`."""
        return f"{self.detector(run, seed)}/{name}"

    def work(self, run: str, seed: int | str) -> str:
        """The folder for what a training needs to go on after it was killed."""
        return f"{self.root}/work/{run}/seed{seed}"

    def scores(self, scoring: Scoring) -> str:
        """One score per trial."""
        return self._of_system("scores", scoring)

    def score_shard(self, scoring: Scoring, shard: str) -> str:
        """The scores of one shard of a split."""
        folder = f"{self.root}/scores/{scoring.system}/seed{scoring.seed}/shards"
        return f"{folder}/{scoring.trials}-{shard}.tsv"

    def metrics(self, scoring: Scoring) -> str:
        """The error rates of a score file."""
        return self._of_system("metrics", scoring)

    def export(self, scoring: Scoring) -> str:
        """A score file in a form to hand in."""
        return self._of_system("exports", scoring)

    def _of_system(self, folder: str, scoring: Scoring) -> str:
        return f"{self.root}/{folder}/{scoring.system}/seed{scoring.seed}/{scoring.trials}.tsv"

    def fusion(self, fusion: str) -> str:
        """The weights of a fusion."""
        return f"{self.root}/fusion/{fusion}.json"

    # --- analyses --------------------------------------------------------------------------

    def attributions(self, run: str, seed: int | str, part: str) -> str:
        """What was explained of a detector; `part` begins with a corpus, or is the baseline's."""
        return f"{self.root}/attributions/{run}/seed{seed}/{part}"

    def annotation(self) -> str:
        """The folder that annotators get."""
        return f"{self.root}/annotation"

    def annotation_file(self, name: str) -> str:
        """A file of it."""
        return f"{self.annotation()}/{name}"

    def masked(self, scoring: Scoring) -> str:
        """What a detector says of masked utterances."""
        return self._of_system("masking", scoring)

    def audited(self, scoring: Scoring) -> str:
        """What a detector says of utterances whose cues have changed sides."""
        return self._of_system("shortcuts", scoring)

    def laundered(self, scoring: Scoring) -> str:
        """What a detector says of laundered utterances."""
        return self._of_system("robustness", scoring)

    def measures(self, corpus: str, split: str) -> str:
        """Signal measures of every utterance."""
        return f"{self.root}/artefacts/{corpus}.{split}.measures.tsv"

    def artefact_rates(self, corpus: str, split: str) -> str:
        """How well each measure alone separates the classes."""
        return f"{self.root}/artefacts/{corpus}.{split}.rates.tsv"

    def correlations(self, scoring: Scoring) -> str:
        """How measures relate to scores."""
        folder = f"{self.root}/artefacts/{scoring.system}/seed{scoring.seed}"
        return f"{folder}/{scoring.trials}.correlations.tsv"

    def layer_weights(self, run: str, seed: int | str) -> str:
        """The learned mix of layers of a detector."""
        return f"{self.root}/layers/{run}/seed{seed}.tsv"

    def pooled_layers(self, pool: str, corpus: str, split: str, shard: str, suffix: str) -> str:
        """One shard of pooled layers: `safetensors` or its index, `tsv`."""
        return f"{self.root}/layers/pooled/{pool}/{corpus}/{split}-{shard}.{suffix}"

    def probe(self, probe: str) -> str:
        """The error rates of one probe per layer."""
        return f"{self.root}/layers/probes/{probe}.tsv"

    def layer_costs(self) -> str:
        """Parameters, latency and memory; among the benchmarks, because times differ by run."""
        return f"{self.root}/benchmarks/layer_costs.tsv"

    def fingerprints(self, corpus: str, part: str) -> str:
        """What is made of the mean spectra of a corpus."""
        return f"{self.root}/fingerprints/{corpus}.{part}"

    def fingerprint_sounds(self, corpus: str) -> str:
        """The folder with the audible fingerprints of a corpus."""
        return f"{self.root}/fingerprints/{corpus}"

    def nearest_fingerprints(self, scoring: Scoring, part: str) -> str:
        """The nearest fingerprint of every clip (`nearest`), or the counts (`confusion`)."""
        folder = f"{self.root}/fingerprints/{scoring.system}/seed{scoring.seed}"
        return f"{folder}/{scoring.trials}.{part}.tsv"

    def disagreement(self, name: str, suffix: str) -> str:
        """The clips of a disagreement (`tsv`), or their counts (`counts.tsv`)."""
        return f"{self.root}/disagreements/{name}.{suffix}"

    def disagreement_audio(self, name: str) -> str:
        """The folder with the exported clips of a disagreement."""
        return f"{self.root}/disagreements/{name}"

    def systems(self, corpus: str) -> str:
        """The attacks of a corpus as source tracing sees them."""
        return f"{self.root}/systems/{corpus}.tsv"

    def tracing_audit(self, corpus: str, suffix: str) -> str:
        """What could mislead who traces the attacks of a corpus: `tsv` or `html`."""
        return f"{self.root}/systems/{corpus}.audit.{suffix}"

    def label_assignment(self, corpus: str) -> str:
        """The numbers of these attacks, in the form of the published baseline."""
        return f"{self.root}/systems/{corpus}.label_assignment.txt"

    def tracer(self, tracer: str, seed: int | str) -> str:
        """The folder of a tracer."""
        return f"{self.root}/tracers/{tracer}/seed{seed}"

    def tracer_network(self, tracer: str, seed: int | str) -> str:
        """The folder of a tracer's network."""
        return f"{self.tracer(tracer, seed)}/network"

    def tracer_file(self, tracer: str, seed: int | str, name: str) -> str:
        """A file of a tracer, such as `tracer.json` or `network/history.tsv`."""
        return f"{self.tracer(tracer, seed)}/{name}"

    def tracer_outputs(self, scoring: Scoring) -> str:
        """Read-out vectors and logits of the clips of a split."""
        folder = f"{self.root}/embeddings/{scoring.system}/seed{scoring.seed}"
        return f"{folder}/{scoring.trials}.safetensors"

    def traces(self, scoring: Scoring) -> str:
        """What a tracer says of the clips of a split."""
        return self._of_system("traces", scoring)

    def tracing_metrics(self, scoring: Scoring) -> str:
        """How well it does."""
        return self._of_system("tracing_metrics", scoring)

    def decisions(self, scoring: Scoring) -> str:
        """What a detector and a tracer decide together."""
        return self._of_system("decisions", scoring)

    def decision_metrics(self, scoring: Scoring) -> str:
        """How well they do."""
        return self._of_system("decision_metrics", scoring)

    def source_references(self, corpus: str, split: str) -> str:
        """The references of source verification."""
        return f"{self.root}/verification/{corpus}.{split}.references.tsv"

    def source_tests(self, corpus: str, split: str) -> str:
        """The tests of source verification."""
        return f"{self.root}/verification/{corpus}.{split}.tests.tsv"

    def verification(self, scoring: Scoring, part: str) -> str:
        """What a tracer says of these tests: `scores.tsv`, `calibration.json`, `metrics.tsv`."""
        folder = f"{self.root}/verification/{scoring.system}/seed{scoring.seed}"
        return f"{folder}/{scoring.trials}.{part}"

    def grid_point(self, grid: str, point: str) -> str:
        """The error rates of one point of a grid."""
        return f"{self.root}/grids/{grid}/{point}.tsv"

    # --- what people read ------------------------------------------------------------------

    def figure(self, name: str, suffix: str) -> str:
        """A figure: `pdf`, `png`, or its numbers, `tsv`."""
        return f"{self.root}/figures/{name}.{suffix}"

    def table(self, name: str) -> str:
        """A table."""
        return f"{self.root}/tables/{name}.tsv"

    def printed_table(self, name: str, suffix: str) -> str:
        """A table as papers print it: `tex`, or `csv` for spreadsheets."""
        return f"{self.root}/tables/{name}.{suffix}"

    def report(self) -> str:
        """The page about the whole study."""
        return f"{self.root}/report/index.html"

    def methods(self, suffix: str) -> str:
        """The methods in sentences: `md` or `tex`, and whom they cite, `bib`."""
        return f"{self.root}/report/methods.{suffix}"

    def crate(self, name: str) -> str:
        """A file of the research object."""
        return f"{self.root}/{name}"

    def costs(self, suffix: str) -> str:
        """What stages have taken, `tsv`, `csv` or `tex`; among the benchmarks, as times differ."""
        return f"{self.root}/benchmarks/costs.{suffix}"

    def benchmark(self, rule: str, job: str) -> str:
        """Times and memory of a job, as Snakemake measures them."""
        return f"{self.root}/benchmarks/{rule}/{job}.tsv"
