"""Ad-hoc commands (XEP-0050) from plain functions: the arguments of a function are the fields of its form.

A command has one step, so nothing is kept between the form and its answer, and nobody can fill a table of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args, get_origin

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.handlers.directory import Directory, DirectoryItem, Node
from gateway.routing.interfaces import Answer, Declined, Handled, ILocalHandler, Refused
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.building import Builder
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import MalformedAddress, Misuse, StanzaCondition, StanzaError
from gateway.xmpp.namespaces import COMMANDS, DATA_FORMS
from gateway.xmpp.stanzas import AddressedStanza, result_reply

_COMMANDS = Builder(COMMANDS)
_FORMS = Builder(DATA_FORMS)
_TRUTH = {"1": True, "true": True, "0": False, "false": False}
_TYPES = {str: "text-single", int: "text-single", bool: "boolean", list[str]: "text-multi", Address: "jid-single"}


def everybody(_: Address) -> bool:
    """Allow a command to all."""
    return True


class CommandField(NamedTuple):
    """One field of a form: the argument that it fills, and its type there."""

    name: str
    kind: Any
    default: Any  # inspect.Parameter.empty if it must be filled in

    def shown(self) -> Element:
        """Return the field for the form, with its default."""
        choices = get_args(self.kind) if get_origin(self.kind) is Literal else ()
        required = self.default is inspect.Parameter.empty
        return _FORMS.field(
            _FORMS.required() if required else None,
            *(_FORMS.value(each) for each in ([] if required else _written(self.default))),
            *(_FORMS.option(_FORMS.value(each), label=each) for each in choices),
            var=self.name,
            type="list-single" if choices else _TYPES[self.kind],
            label=self.name.replace("_", " ").capitalize(),
        )

    def read(self, values: Sequence[str] | None) -> Any:
        """Return the argument for what was filled in; ValueError says what is wrong with it."""
        if values is None or (values in ([], [""]) and self.kind is not str):
            if self.default is inspect.Parameter.empty:
                raise ValueError(f"{self.name} is missing")
            return self.default
        if self.kind == list[str]:
            return list(values)
        try:
            return self._read_one(values[0] if values else "")
        except (KeyError, ValueError) as error:
            raise ValueError(f"{self.name} must not be {values[0][:100]!r}") from error

    def _read_one(self, text: str) -> Any:
        if get_origin(self.kind) is Literal:
            return {each: each for each in get_args(self.kind)}[text]
        if self.kind is bool:
            return _TRUTH[text]
        if self.kind is Address:
            return Address.parse(text)
        return self.kind(text)


@dataclass(frozen=True, kw_only=True)
class ServiceCommand:
    """A function that people may call."""

    node: str
    name: str
    function: Callable[..., Any]
    fields: tuple[CommandField, ...]
    form_type: str
    may_call: Callable[[Address], bool]


@implementer(ILocalHandler)
class ServiceCommands:
    """The commands of one service."""

    def __init__(self, domain: Domain, directory: Directory, is_admin: Callable[[Address], bool]) -> None:
        self._domain = domain
        self._directory = directory
        self._is_admin = is_admin
        self._commands: dict[str, ServiceCommand] = {}

    def add(
        self,
        name: str,
        function: Callable[..., Any],
        *,
        allow: Callable[[Address], bool] | None = None,
        node: str = "",
        form_type: str = "",
    ) -> None:
        """Offer a function as a command; `name` is for people, and the node is the name of the function.

        A command that a standard defines has its `node` from there, and the FORM_TYPE of its form (XEP-0068).

        The function gets the address of the caller, and what was filled in for its other arguments: `str`, `int`,
        `bool`, `Address`, `list[str]` for several lines, or a `Literal` of texts to choose from. An argument with a
        default may be left out. It returns text for the caller, an element, or None; it may be a coroutine. ValueError
        and StanzaError are for the caller. `allow` says who may call it; by default the domain's `admins`.
        """
        node = node or function.__name__
        if node in self._commands:
            raise Misuse(f"{self._domain} has two commands {node}")
        command = ServiceCommand(
            node=node,
            name=name,
            function=function,
            fields=_fields(function),
            form_type=form_type,
            may_call=allow or self._is_admin,
        )
        self._commands[node] = command
        self._directory.feature(COMMANDS)
        self._directory.nodes[COMMANDS] = Node(
            identities=[("automation", "command-list", "")], features=[COMMANDS], items=self._listed
        )
        self._directory.nodes[node] = Node(
            identities=[("automation", "command-node", name)], features=[COMMANDS, DATA_FORMS]
        )

    def _listed(self, asker: Address) -> Sequence[DirectoryItem]:
        return [
            DirectoryItem(jid=self._domain, node=each.node, name=each.name)
            for each in self._commands.values()
            if each.may_call(asker)
        ]

    def handle(self, stanza: AddressedStanza) -> Answer | Deferred[Answer]:
        """Answer a command to the domain; decline everything else."""
        if stanza.name != "iq" or stanza.type != "set" or not self._commands or stanza.to.local:
            return Declined()
        asked = stanza.element.first(COMMANDS, "command")
        if asked is None:
            return Declined()
        command = self._commands.get(asked.get("node") or "")
        if command is None:
            return _refused(StanzaCondition.ITEM_NOT_FOUND, "there is no such command")
        if not command.may_call(stanza.from_):
            return _refused(StanzaCondition.FORBIDDEN, "this command is not for you")
        form = asked.first(DATA_FORMS, "x")
        if asked.get("action") == "cancel" or (form is not None and form.get("type") == "cancel"):
            return _told(stanza, command, "canceled")
        if command.fields and form is None:
            return _told(
                stanza,
                command,
                "executing",
                _COMMANDS.actions(_COMMANDS.complete(), execute="complete"),
                _form(command),
            )
        try:
            arguments = _filled_in(command, form)
        except (ValueError, MalformedAddress) as error:
            return _refused(StanzaCondition.BAD_REQUEST, str(error))
        called: Deferred[Any] = maybeDeferred(command.function, stanza.from_, **arguments)
        return called.addCallbacks(_said, _failed, (stanza, command))


def _said(said: Any, stanza: AddressedStanza, command: ServiceCommand) -> Answer:
    if isinstance(said, str):
        return _told(stanza, command, "completed", _COMMANDS.note(said, type="info"))
    return _told(stanza, command, "completed", *([said] if isinstance(said, Element) else []))


def _failed(failure: Failure) -> Answer:
    failure.trap(ValueError, StanzaError)
    error = failure.value
    return Refused(error=error) if isinstance(error, StanzaError) else _refused(StanzaCondition.BAD_REQUEST, str(error))


def _refused(condition: StanzaCondition, text: str) -> Answer:
    return Refused(error=StanzaError(condition, text))


def _told(stanza: AddressedStanza, command: ServiceCommand, status: str, *payload: Element) -> Answer:
    asked = stanza.element.first(COMMANDS, "command")
    session = (asked.get("sessionid") if asked is not None else None) or f"{command.node}-{stanza.id}"
    answer = _COMMANDS.command(*payload, node=command.node, sessionid=session, status=status)
    return Handled(replies=[result_reply(stanza, answer)])


def _form(command: ServiceCommand) -> Element:
    kind = _FORMS.field(_FORMS.value(command.form_type), var="FORM_TYPE", type="hidden") if command.form_type else None
    return _FORMS.x(_FORMS.title(command.name), kind, *(each.shown() for each in command.fields), type="form")


def _filled_in(command: ServiceCommand, form: Element | None) -> dict[str, Any]:
    given = {
        field.get("var"): [value.text for value in field.elements(DATA_FORMS, "value")]
        for field in (form.elements(DATA_FORMS, "field") if form is not None else ())
    }
    return {each.name: each.read(given.get(each.name)) for each in command.fields}


def _fields(function: Callable[..., Any]) -> tuple[CommandField, ...]:
    _, *parameters = inspect.signature(function, eval_str=True).parameters.values()
    fields = []
    for each in parameters:
        kind = str if each.annotation is inspect.Parameter.empty else each.annotation
        if kind not in _TYPES and get_origin(kind) is not Literal:
            raise Misuse(f"the argument {each.name} of the command {function.__name__} cannot be a field: {kind}")
        fields.append(CommandField(each.name, kind, each.default))
    return tuple(fields)


def _written(default: Any) -> list[str]:
    if isinstance(default, bool):
        return ["1" if default else "0"]
    if isinstance(default, list):
        return [str(each) for each in default]
    return [] if default in (None, "") else [str(default)]
