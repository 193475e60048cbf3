"""Noise and impulse responses, augmented copies of corpora, and with them all trials of a study,
which are audited.
"""

from collections.abc import Iterable
from functools import cached_property

from spoofscope.identity import hash8
from spoofscope.plan.corpora import Corpora
from spoofscope.plan.jobs import Context, Job, Product, Stage, Work, rule, target
from spoofscope.plan.modules import corpus_modules, effect_modules
from spoofscope.plan.shards import EVERY_SPLIT, of_all, of_shard
from spoofscope.study import Config
from spoofscope.study.references import contents_of


class Augmentation(Stage):
    """The augmented copies of corpora, and the noise that is mixed in."""

    def __init__(self, context: Context, corpora: Corpora) -> None:
        super().__init__(context)
        self._corpora = corpora

    @cached_property
    def generated(self) -> dict[str, Config]:
        """`{digest}/{kind}` of all noise that is generated, to its settings."""
        return {
            self.study.generated_noise(kind): {"kind": kind, "seed": self.study.seed}
            for kind, entry in self.study.config["noise"].items()
            if "generate" in entry
        }

    def noise(self, chain: Config) -> list[Product]:
        """The lists of the recordings that a chain draws from."""
        products = []
        for kind in chain["sources"]:
            if "generate" in self.study.config["noise"][kind]:
                noise = self.study.generated_noise(kind)
                path = self.layout.generated_noise_list(noise)
                products.append(self.generate_noise(noise).product(path))
            else:
                products.append(self.list_noise(kind).product(self.layout.noise(kind)))
        return products

    def noise_folders(self, chain: Config) -> dict[str, str]:
        """The folders of these recordings, by kind."""
        return {kind: self.study.noise_root(kind) for kind in chain["sources"]}

    @rule()
    def generate_noise(self, noise: str) -> Work:
        """Synthesise noise or impulse responses."""
        folder = self.layout.generated_noise(noise)
        table = self.layout.generated_noise_list(noise)
        changed = self.outside.listed(f"noise {noise}", table, "file", folder)
        return Work(settings={"folder": folder, **self.generated[noise], **_made_again(changed)})

    @rule()
    def list_noise(self, kind: str) -> Work:
        """List the recordings of a folder of noise or room responses."""
        root = self.study.noise_root(kind)

        def find() -> list[str]:
            from spoofscope.augmentation.sources import found_in

            return found_in(root)

        recordings = self.outside.folder(
            f"noise {kind}",
            root,
            self.layout.recordings(f"noise.{kind}"),
            self.layout.noise(kind),
            find,
        )
        inputs = {}
        if "archives" in self.study.config["noise"][kind]:
            digest = hash8(contents_of(self.study.config["noise"][kind]["archives"]))
            unpacked = self._corpora.unpack(digest).product(self.layout.unpacked_list(digest))
            inputs["unpacked"] = unpacked
        return Work(
            inputs=inputs, settings={"kind": kind, "folder": root, "recordings": recordings}
        )

    @rule()
    def augment(self, augmented: str) -> Work:
        """Make an augmented copy of a corpus."""
        identity = self.study.corpus_identity(augmented)
        corpus = self.study.copies[augmented]["corpus"]
        chain = identity["chain"]
        table = self.layout.manifest(augmented)
        changed = self.outside.listed(f"copy {augmented}", table, "path")
        return Work(
            inputs={
                "noise": self.noise(chain),
                "manifest": self.manifest(corpus),
                "segments": self.segments(corpus),
            },
            settings={
                "identity": identity,
                "noise": self.noise_folders(chain),
                "folder": self.layout.augmented(corpus, augmented),
                **_made_again(changed),
            },
            modules=effect_modules(chain),
        )

    # --- trials of corpora and copies ------------------------------------------------------

    def _lists(self, corpus: str) -> Job:
        if corpus in self.study.copies:
            return self.augment(corpus)
        return self._corpora.manifest(corpus)

    def manifest(self, corpus: str) -> Product:
        """The utterances of a corpus or of an augmented copy."""
        return self._lists(corpus).product(self.layout.manifest(corpus))

    def manifests_of(self, sets: Iterable[tuple[str, str]]) -> list[Product]:
        """The utterances of these (corpus, split), each corpus once."""
        return [self.manifest(corpus) for corpus in sorted({corpus for corpus, _ in sets})]

    def segments(self, corpus: str) -> Product:
        """The known artefacts in a corpus or an augmented copy."""
        return self._lists(corpus).product(self.layout.segments(corpus))

    @target()
    def manifests(self) -> list[Product]:
        """One list of utterances per corpus and augmented copy."""
        return [self.manifest(corpus) for corpus in [*self.study.corpora, *self.study.copies]]

    # --- audits ----------------------------------------------------------------------------

    def _auditing(self, name: str) -> Work:
        copy = self.study.copies.get(name)
        corpus = copy["corpus"] if copy else name
        entry = self.study.corpora[corpus]
        listed = self._corpora.manifest(corpus)
        settings: Config = {
            "corpus": name,
            "settings": self._corpora.settings(corpus),
            "root": self.study.corpus_root(corpus),
            "seed": self.study.seed,
        }
        if copy and "classes" in copy:
            settings["classes"] = copy["classes"]
        return Work(
            inputs={
                "manifest": self.manifest(name),
                "problems": [] if copy else listed.product(self.layout.problems(corpus)),
                "originals": self.manifest(corpus) if copy else [],
            },
            settings=settings,
            modules=corpus_modules(entry),
        )

    @rule()
    def audit_corpus_shard(self, corpus: str, shard: str) -> Work:
        """Decode and measure the utterances of one shard."""
        return of_shard(self, self._auditing(corpus), self.layout.audit(corpus, "tsv"), shard)

    @rule()
    def audit_corpus(self, corpus: str) -> Work:
        """Find faults of a corpus or a copy, and cues that could mislead detectors."""
        return of_all(
            self,
            self._auditing(corpus),
            self.layout.audit(corpus, "tsv"),
            EVERY_SPLIT,
            lambda shard: self.audit_corpus_shard(corpus, shard),
        )

    @cached_property
    def audit_tables(self) -> dict[str, Product]:
        """Corpus or augmented copy to the findings about it."""
        return {
            name: self.audit_corpus(name).product(self.layout.audit(name, "tsv"))
            for name in [*self.study.corpora, *self.study.copies]
        }

    @target()
    def audits(self) -> list[Product]:
        """One page per corpus and copy: its faults, and cues that could mislead detectors."""
        return list(self.audit_tables.values())


def _made_again(changed: str | None) -> Config:
    """The setting that makes a job stale whose recordings have changed; none while it is None."""
    return {} if changed is None else {"recordings": changed}
