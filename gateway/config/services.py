"""Services: from `serve` and `options` of a domain to the factory of an ILocalHandler and its keyword arguments.

`serve` is the name of a service that comes with the gateway, the name of an entry point in the group
`xmpp_gateway.services` of an installed package, or the dotted name of a factory. A package cannot take the name of a
service that comes with the gateway.

TOML has no paths and no secrets, so the annotations of the factory's arguments decide: a `Path` is relative to the
folder of the configuration file, and a `Secret` may be in a file, which the option `NAME_file` names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, get_args

from twisted.python.reflect import namedAny
from zope.interface.exceptions import BrokenImplementation, BrokenMethodImplementation, Invalid
from zope.interface.verify import verifyClass

from gateway.config.reading import KeyPath, Reading
from gateway.config.settings import Secret
from gateway.config.values import convert, read_secret
from gateway.routing.interfaces import IActiveHandler, ICheckedOptions, IDetachableHandler, ILocalHandler, IService

GROUP = "xmpp_gateway.services"
OWN = {
    "alerts": "gateway.bundled.alerts.Alerts",
    "echo": "gateway.handlers.echo.Echo",
    "webhook": "gateway.bundled.webhook.Webhook",
}
_INTERFACES = (IService, IDetachableHandler, IActiveHandler, ILocalHandler)
_READ_HERE = (Path, Secret)


def service_names() -> set[str]:
    """Return the names that `serve` may have besides dotted ones."""
    return {*OWN, *(each.name for each in entry_points(group=GROUP))}


def load_handler(name: str) -> Callable[..., Any]:
    """Return the ILocalHandler factory with a dotted name, or one of `service_names`.

    Raise ValueError, which says why it cannot be used.
    """
    try:
        factory: Callable[..., Any] = _found(name)
    except Exception as error:  # the operator's module may raise anything when it is imported
        raise ValueError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(factory) or not ILocalHandler.implementedBy(factory):
        raise ValueError(f"{name} is not a handler factory: it must be a class with @implementer(ILocalHandler)")
    if inspect.isclass(factory):
        for interface in _INTERFACES:
            if interface.implementedBy(factory):
                _verify(interface, factory, name)
                break
    return factory


def _found(name: str) -> Any:
    if "." in name:
        return namedAny(name)
    if name in OWN:
        return namedAny(OWN[name])
    found = list(entry_points(group=GROUP, name=name))
    if len(found) > 1:
        packages = " and ".join(sorted(map(_package, found)))
        raise LookupError(f"{packages} both have a service of that name: write its dotted name instead")
    return found[0].load()


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value


def _verify(interface: Any, factory: type, name: str) -> None:
    try:
        verifyClass(interface, factory)
    except Invalid as error:
        problems = "; ".join(map(_in_words, getattr(error, "exceptions", [error])))
        raise ValueError(f"{name} is not a complete {interface.__name__}: {problems}") from error


def _in_words(error: Invalid) -> str:
    if isinstance(error, BrokenImplementation):
        signature = getattr(error.name, "getSignatureString", str)()
        return f"it has no {getattr(error.name, '__name__', error.name)}{signature}"
    if isinstance(error, BrokenMethodImplementation):
        return f"its {getattr(error.method, '__name__', error.method)}() {error.mess}"
    return str(error)


def read_options(
    reading: Reading, key: KeyPath, name: str, factory: Callable[..., Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the keyword arguments for a factory, and record every mistake in the options.

    `key` is that of the options, and `name` that of the factory.
    """
    before = reading.count
    kinds = _kinds(factory)
    arguments = dict(options)
    for argument, kind in kinds.items():
        if kind is Secret and f"{argument}_file" in options and f"{argument}_file" not in kinds:
            arguments[argument] = read_secret(reading, (*key, argument), options)
            del arguments[f"{argument}_file"]
        elif argument in options:
            try:
                arguments[argument] = convert(reading.folder, options[argument], kind)
            except ValueError as error:
                reading.wrong((*key, argument), str(error))
    if problem := misfit(factory, arguments):
        reading.wrong(key, f"{name} does not accept them: {problem}")
    elif reading.count == before and ICheckedOptions.providedBy(factory):
        for argument, problem in factory.mistakes(**arguments):
            reading.wrong((*key, argument), problem)
    return arguments


def _kinds(factory: Callable[..., Any]) -> dict[str, Any]:
    """Return the type of each argument that is read here, by name."""
    try:
        parameters = inspect.signature(factory, eval_str=True).parameters
    except (NameError, TypeError, ValueError):  # annotations that only a type checker can read
        return {}
    kinds = {name: set(_alternatives(each.annotation)) for name, each in parameters.items()}
    return {name: kind for kind in _READ_HERE for name, found in kinds.items() if kind in found}


def _alternatives(annotation: Any) -> Iterator[Any]:
    yield annotation
    yield from get_args(annotation)


def misfit(factory: Callable[..., Any], options: Mapping[str, Any]) -> str:
    """Return why these cannot be the factory's keyword arguments; empty if they can."""
    try:
        inspect.signature(factory).bind(**options)
    except TypeError as error:
        return str(error)
    return ""
