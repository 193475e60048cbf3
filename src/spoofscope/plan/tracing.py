"""Source tracing: the attacks of corpora."""

from spoofscope.plan.augmentation import Augmentation
from spoofscope.plan.jobs import Context, Product, Stage, Work, rule, target
from spoofscope.study import Config, Study

NO_TRACING = "no attacks are traced (section `tracing`)"


class Tracing(Stage):
    """The section `tracing`."""

    @staticmethod
    def check(study: Study) -> None:
        """Which corpora are traced."""
        for i, corpus in enumerate(study.config.get("tracing", {}).get("corpora", [])):
            study.references.entry(corpus, "corpora", f"tracing.corpora[{i}]")

    def __init__(self, context: Context, data: Augmentation) -> None:
        super().__init__(context)
        self._data = data

    @property
    def section(self) -> Config:
        """The section, with all its defaults; empty where the study has none."""
        section: Config = self.study.config.get("tracing", {})
        return section

    @rule(absent=NO_TRACING, when=lambda self: self.section)
    def list_systems(self, corpus: str) -> Work:
        """List the attacks of a corpus."""
        from spoofscope.corpora.families import families_of

        return Work(
            inputs={"manifest": self._data.manifest(corpus)},
            # What the names of attacks say is data, in no digest of code.
            settings={"families": families_of(self.study.corpora[corpus]["type"])},
        )

    @target(absent=NO_TRACING)
    def systems(self) -> list[Product]:
        """The attacks of corpora: known or unknown, their numbers, families and counts."""
        return [
            self.list_systems(corpus).product(path(corpus))
            for corpus in self.section.get("corpora", [])
            for path in (self.layout.systems, self.layout.label_assignment)
        ]
