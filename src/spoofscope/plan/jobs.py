"""Jobs and products: what a job reads is said once, and decides what it depends on.

A job that fails loses its outputs, and Snakemake misses no file that nothing asks for: what was
made from the former outputs would pass for fresh. So the parameter of every job holds a digest of
the parameters before it (`upstream`), and stays changed until all of it has been made again. The
digest is taken over the very list of products that Snakemake gets as inputs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from spoofscope.errors import ConfigError
from spoofscope.identity import code_closure, code_digest, hash8, plain
from spoofscope.layout import Layout
from spoofscope.study import Study


class Maker(Protocol):
    """What a product comes from."""

    @property
    def origin(self) -> str:
        """A digest of all that decides the product."""


class Product(str):
    """The path of a file that knows what makes it.

    maker: the job that makes it, or the digest of the files outside that it stands for; None for a
    file from outside whose digest is among the settings of the job that reads it.
    """

    maker: Maker | None

    def __new__(cls, path: str, maker: Maker | None = None) -> "Product":
        """The path with its maker."""
        product = super().__new__(cls, path)
        product.maker = maker
        return product


Inputs = Mapping[str, Product | Sequence[Product]]


@dataclass(frozen=True)
class Work:
    """What one job reads and is given.

    inputs: name to the product or products that its script reads. settings: what its script is
    given. modules: those that the script finds by name at run time. templates: of pages. after:
    products that decide the result without being read.
    """

    inputs: Inputs = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    modules: Iterable[str] = ()
    templates: Iterable[str] = ()
    after: Sequence[Product] = ()


class Outside(Protocol):
    """Compares what lies outside of the workflow with what was read of it."""

    def files(self, paths: Iterable[str]) -> dict[str, str | None]:
        """SHA-256 of files by path; None of those that are not there."""

    def folder(
        self,
        what: str,
        root: str,
        recordings: str,
        output: str,
        find: Callable[[], Any],
    ) -> str:
        """A text that changes with the recordings of a folder, see `outside.Outside.folder`."""

    def made(self, what: str, recordings: str, reader: str, output: str) -> str | None:
        """A text that changes when what a job made is not what was read of it, see
        `outside.Outside.made`.
        """

    def listed(self, what: str, table: str, column: str, folder: str = "") -> str | None:
        """A text that changes when recordings are not those that their job has listed, see
        `outside.Outside.listed`.
        """


class OutsideFiles:
    """Files from outside, by their content: the maker of products that no job makes."""

    def __init__(self, outside: Outside, paths: Iterable[str]) -> None:
        self._outside = outside
        self._paths = list(paths)

    @cached_property
    def origin(self) -> str:
        """Digest of their contents."""
        return hash8(self._outside.files(self._paths))


def script_of(rule: str) -> str:
    """The script of a rule, which has its name; all figures share one, and so do all tables. What
    reuses features extracts them where it was mistaken.
    """
    if rule == "reuse_features":
        return "extract_features"
    kind = rule.partition("_")[0]
    return kind if kind in ("figure", "table") else rule


class Code:
    """The code behind jobs.

    sources: code digest to the files behind it, of all digests taken until now.

    Args:
        scripts: the folder with one script per rule, see :func:`script_of`.
        templates: the folder with the templates of pages.
    """

    def __init__(self, scripts: Path, templates: Path) -> None:
        self.sources: dict[str, list[Path]] = {}
        self._scripts = scripts
        self._templates = templates
        self._digests: dict[tuple[str, tuple[str, ...], tuple[str, ...]], str] = {}

    def digest(self, rule: str, modules: Iterable[str], templates: Iterable[str]) -> str:
        """Digest of the code behind a rule's script and the modules that it finds by name."""
        key = (rule, tuple(modules), tuple(templates))
        if key not in self._digests:
            script = self._scripts / f"{script_of(rule)}.py"
            files = [self._templates / name for name in key[2]]
            digest = code_digest(script, key[1], files=files)
            self.sources[digest] = code_closure(script, key[1], files=files)
            self._digests[key] = digest
        return self._digests[key]


@dataclass(frozen=True)
class Context:
    """What all stages are planned with."""

    study: Study
    outside: Outside
    code: Code


class Stage:
    """A part of a study: what may be asked of it, its targets, and the rules that make them."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.study: Study = context.study
        self.outside: Outside = context.outside
        self.layout: Layout = context.study.layout

    @staticmethod
    def check(study: Study) -> None:
        """Refuse a study file that asks of this stage what it cannot make.

        Raises:
            ConfigError: the message names the place in the study file.
        """

    def rules(self) -> "dict[str, Rule[...]]":
        """Its rules by name, in the order of its class."""
        return {
            name: getattr(self, name)
            for name, declared in vars(type(self)).items()
            if isinstance(declared, _RuleOf)
        }

    @classmethod
    def target_names(cls) -> list[str]:
        """Names of the targets of every study, in the order of the class."""
        return [name for name, declared in vars(cls).items() if isinstance(declared, _TargetOf)]

    def targets(self) -> "dict[str, Target]":
        """Its targets by name, in the order of its class."""
        return {name: getattr(self, name) for name in self.target_names()}

    def refusal(self, absent: str) -> str:
        """The sentence for somebody who asks for what the study has nothing for."""
        return f"study {self.study.name!r} has nothing to make that from: {absent}"


S = TypeVar("S", bound=Stage)
P = ParamSpec("P")


class Job:
    """One job. What it reads and is given is worked out when it is asked for, once."""

    def __init__(self, rule: str, values: tuple[Any, ...], work: Callable[[], Work], code: Code):
        self.rule = rule
        self.values = values
        self._work = work
        self._code = code

    @cached_property
    def work(self) -> Work:
        """What it reads and is given."""
        return self._work()

    @cached_property
    def products(self) -> list[Product]:
        """All that it reads, and what else decides its result."""
        products: list[Product] = []
        for given in self.work.inputs.values():
            products += [given] if isinstance(given, Product) else given
        return [*products, *self.work.after]

    @cached_property
    def params(self) -> dict[str, Any]:
        """Its one parameter: settings, the digest of the code behind it, and `upstream`, a digest
        of what makes its inputs. Keys are sorted, so it is the same however the study file is
        ordered.
        """
        work = self.work
        values = {
            **work.settings,
            "code": self._code.digest(self.rule, work.modules, work.templates),
        }
        makers = {id(p.maker): p.maker for p in self.products if p.maker is not None}
        if makers:
            values["upstream"] = hash8(sorted({maker.origin for maker in makers.values()}))
        params: dict[str, Any] = plain(values)
        return params

    @cached_property
    def origin(self) -> str:
        """Digest of its parameter, and so of all that is before it."""
        # Recordings are compared by the hashes that the job writes into its output.
        return hash8({key: value for key, value in self.params.items() if key != "recordings"})

    def product(self, path: str) -> Product:
        """A file that it makes."""
        return Product(path, self)


def wildcards_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """The arguments of a method besides `self`, which are the wildcards of its rule."""
    code = function.__code__
    return code.co_varnames[1 : code.co_argcount]


class Rule(Generic[P]):
    """The jobs of one rule, in one study. Called with the values of its wildcards it gives a job.

    `inputs` and `params` are for Snakemake's rule of the same name.
    """

    def __init__(
        self,
        name: str,
        stage: Stage,
        function: Callable[..., Work],
        wildcards: tuple[str, ...],
        absent: str,
        when: Callable[[Any], object] | None,
    ) -> None:
        self.name = name
        self.wildcards = wildcards
        self._stage = stage
        self._function = function
        self._absent = absent
        self._when = when
        self._jobs: dict[tuple[Any, ...], Job] = {}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """The job of these values; the same one whenever it is asked for."""
        return self._job((*args, *(kwargs[name] for name in self.wildcards[len(args) :])))

    def _job(self, values: tuple[Any, ...]) -> Job:
        job = self._jobs.get(values)
        if job is None:

            def work() -> Work:
                return self._function(self._stage, *values)

            job = Job(self.name, values, work, self._stage.context.code)
            self._jobs[values] = job
        return job

    def lacking(self) -> str | None:
        """Why the study has no job of this rule; None where it has."""
        if self._when is None or self._when(self._stage):
            return None
        return self._stage.refusal(self._absent)

    def job(self, wildcards: Mapping[str, str]) -> Job:
        """The job of these wildcards.

        Raises:
            ConfigError: the study has no job of this rule.
        """
        if message := self.lacking():
            raise ConfigError(message)
        values: dict[str, Any] = dict(wildcards)
        if "seed" in values:
            values["seed"] = int(values["seed"])
        return self._job(tuple(values[name] for name in self.wildcards))

    def inputs(self, wildcards: Any) -> dict[str, str | list[str]]:
        """Snakemake's inputs of a job, by their names."""
        return {
            name: str(given) if isinstance(given, Product) else [str(path) for path in given]
            for name, given in self.job(dict(wildcards.items())).work.inputs.items()
        }

    def params(self, wildcards: Any) -> dict[str, Any]:
        """The one parameter of a job."""
        return self.job(dict(wildcards.items())).params


class _RuleOf(Generic[S, P]):
    """A rule as it stands in the class of a stage."""

    def __init__(
        self,
        function: Callable[Concatenate[S, P], Work],
        absent: str,
        when: Callable[[Any], object] | None,
    ) -> None:
        self.function = function
        self._absent = absent
        self._when = when
        self._name = function.__name__

    @overload
    def __get__(self, stage: None, owner: type) -> "_RuleOf[S, P]": ...

    @overload
    def __get__(self, stage: S, owner: type) -> Rule[P]: ...

    def __get__(self, stage: S | None, owner: type) -> "Rule[P] | _RuleOf[S, P]":
        if stage is None:
            return self
        # From now on found in the stage itself.
        names = wildcards_of(self.function)
        bound: Rule[P] = Rule(self._name, stage, self.function, names, self._absent, self._when)
        stage.__dict__[self._name] = bound
        return bound


def rule(
    absent: str = "", when: Callable[[Any], object] | None = None
) -> Callable[[Callable[Concatenate[S, P], Work]], _RuleOf[S, P]]:
    """Declare the jobs of the rule of the method's name; its arguments are the rule's wildcards.

    Args:
        absent: why there may be none of them, for somebody who asks for one.
        when: whether the study has any, by the stage; by default it depends on the wildcards alone.
    """

    def declared(function: Callable[Concatenate[S, P], Work]) -> _RuleOf[S, P]:
        return _RuleOf(function, absent, when)

    return declared


class Target:
    """What a study makes under one name, in one study."""

    def __init__(
        self, name: str, stage: Stage, function: Callable[[Any], list[Product]], absent: str
    ) -> None:
        self.name = name
        self._stage = stage
        self._function = function
        self._absent = absent

    @property
    def words(self) -> str:
        """What it makes: the docstring where it is declared."""
        return (self._function.__doc__ or "").strip()

    @cached_property
    def products(self) -> list[Product]:
        """All its files."""
        return self._function(self._stage)

    def lacking(self) -> str | None:
        """Why somebody who asks for it is refused; None where there is something to make."""
        if not self._absent or self.products:
            return None
        return self._stage.refusal(self._absent)

    def files(self, wildcards: Any) -> list[str]:
        """Snakemake's inputs of the rule that can be asked for.

        Raises:
            ConfigError: the study has nothing to make that from.
        """
        if message := self.lacking():
            raise ConfigError(message)
        return [str(path) for path in self.products]


class _TargetOf(Generic[S]):
    """A target as it stands in the class of a stage."""

    def __init__(self, function: Callable[[S], list[Product]], absent: str) -> None:
        self.function = function
        self._absent = absent

    @overload
    def __get__(self, stage: None, owner: type) -> "_TargetOf[S]": ...

    @overload
    def __get__(self, stage: S, owner: type) -> Target: ...

    def __get__(self, stage: S | None, owner: type) -> "Target | _TargetOf[S]":
        if stage is None:
            return self
        name = self.function.__name__
        bound = Target(name, stage, self.function, self._absent)
        stage.__dict__[name] = bound
        return bound


def target(absent: str = "") -> Callable[[Callable[[S], list[Product]]], _TargetOf[S]]:
    """Declare the target of the method's name.

    Args:
        absent: why there may be nothing, for somebody who asks for it; without one it may be empty.
    """

    def declared(function: Callable[[S], list[Product]]) -> _TargetOf[S]:
        return _TargetOf(function, absent)

    return declared
