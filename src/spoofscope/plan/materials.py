"""What figures and tables are made of: stages offer it, and records name it (`exhibits`)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from spoofscope.plan.jobs import Product, Stage, wildcards_of

S = TypeVar("S", bound=Stage)
P = ParamSpec("P")


@dataclass(frozen=True)
class Material:
    """What one figure or table is made of.

    given: what its function is called with, by name; the files among it, at any depth, are
    products. about: what captions say of this study, by what it is, such as
    `{"Conditions": ["codec"]}`.
    """

    given: Mapping[str, Any]
    about: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    @cached_property
    def products(self) -> list[Product]:
        """The files among what is given, each once."""
        products: dict[Product, None] = {}

        def visit(value: Any) -> None:
            if isinstance(value, str):
                if isinstance(value, Product):
                    products[value] = None
            elif value is None or isinstance(value, int | float):
                pass  # Most are; the questions below take longer.
            elif isinstance(value, Mapping):
                for inner in value.values():
                    visit(inner)
            elif isinstance(value, Sequence):
                for inner in value:
                    visit(inner)

        visit(self.given)
        return list(products)


@dataclass(frozen=True)
class MaterialOf(Generic[S]):
    """What stages of a class offer, see :func:`material`."""

    function: Callable[..., Material]
    absent: str
    when: Callable[[Any], object] | None
    over: Callable[[Any], Iterable[str]] | None


def material(
    absent: str = "",
    when: Callable[[Any], object] | None = None,
    over: Callable[[Any], Iterable[str]] | None = None,
) -> Callable[[Callable[Concatenate[S, P], Material]], MaterialOf[S]]:
    """Declare what figures and tables can be made of, under the method's name.

    Args:
        absent: why there may be none, for somebody who asks for a figure or table of it.
        when: whether the study has any, by the stage.
        over: the values of the method's argument, of which each has a figure or table of its own.
    """

    def declared(function: Callable[Concatenate[S, P], Material]) -> MaterialOf[S]:
        return MaterialOf(function, absent, when, over)

    return declared


@dataclass(frozen=True)
class Offer:
    """What a stage offers in one study."""

    stage: Stage
    declared: MaterialOf[Any]

    def __call__(self, *values: str) -> Material:
        """What the figure or table of these values is made of."""
        return self.declared.function(self.stage, *values)

    @property
    def absent(self) -> str:
        """Why there may be none."""
        return self.declared.absent

    @property
    def wildcards(self) -> tuple[str, ...]:
        """What there is one of per value; empty where there is a single one."""
        return wildcards_of(self.declared.function)

    @property
    def values(self) -> list[tuple[str, ...]]:
        """Values of the wildcards of all that the study has."""
        if self.declared.when is not None and not self.declared.when(self.stage):
            return []
        over = self.declared.over
        return [()] if over is None else [(value,) for value in over(self.stage)]


def offers_of(stages: Iterable[Stage]) -> dict[str, Offer]:
    """Name to what is offered, by all of the stages."""
    return {
        name: Offer(stage, declared)
        for stage in stages
        for name, declared in vars(type(stage)).items()
        if isinstance(declared, MaterialOf)
    }
