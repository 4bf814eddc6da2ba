"""Load the names of a package on first use (PEP 562)."""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module


def lazy_names(
    package: str, modules: Mapping[str, Iterable[str]]
) -> Callable[[str], object]:
    """Return a `__getattr__` for a package that imports a name's module when asked.

    `modules` has the names of each module. The function raises AttributeError for any
    other name, as a module does.
    """
    module_of = {name: module for module, names in modules.items() for name in names}

    def load(name: str) -> object:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(module_of[name]), name)

    return load
