"""Put a tag into an XMP packet as a keyword, and take it out again.

XMP is ISO 16684-1: RDF in XML. Only the bytes of our own properties and keywords
change. All other bytes stay as another program wrote them: its prefixes, comments,
order and white space. So a packet is searched with Expat, and its bytes are spliced:
an XML library would write the whole packet anew.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

NAMESPACE: Final = "https://tagger.invalid/xmp/1.0/"
"""Our own namespace. It is only a name: there is no page behind it."""

_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PREFIX: Final = "tagger"
_DEEPEST: Final = 100
"""Most nested elements: a real packet has about ten."""

LARGEST: Final = 16 << 20
"""Most bytes of a packet that is read. Lightroom's with a long history have some
hundred thousand."""


class DamagedXmpError(ValueError):
    """A packet is not well-formed XML, or its keywords are not a list."""


@dataclass(frozen=True, slots=True)
class Keyword:
    """A tag as a keyword, and what is said of it; `parent` is the keyword above it.

    `confidence` is in [0, 1], None if it is not that of this tag.
    """

    tag: str
    decided_by: str
    confidence: float | None = None
    model: str | None = None
    parent: str = ""

    def path(self, separator: str) -> str:
        """Return the keyword with the one above; neither contains the separator."""
        levels = [level.replace(separator, "_") for level in (self.parent, self.tag)]
        return separator.join(level for level in levels if level)

    def properties(self) -> dict[str, str]:
        """Return what our namespace says of the tag, by property."""
        known = {
            "Tag": self.tag,
            "Confidence": "" if self.confidence is None else f"{self.confidence:.4f}",
            "Model": self.model or "",
            "DecidedBy": self.decided_by,
            "Parent": self.parent,
        }
        return {name: value for name, value in known.items() if value}


@dataclass(frozen=True, slots=True)
class _List:
    """A property that lists keywords. One that is not `ours` is only kept complete."""

    namespace: str
    name: str
    prefix: str
    separator: str = ""
    ours: bool = True

    def value(self, keyword: Keyword) -> str:
        return keyword.path(self.separator) if self.separator else keyword.tag


_LISTS: Final = (
    _List("http://purl.org/dc/elements/1.1/", "subject", "dc"),
    _List("http://ns.adobe.com/lightroom/1.0/", "hierarchicalSubject", "lr", "|"),
    # digiKam reads the first of its lists that a file has, and these come before the
    # others: core/libs/dmetadata/dmetadatasettingscontainer.cpp of its source.
    _List("http://www.digikam.org/ns/1.0/", "TagsList", "digiKam", "/", ours=False),
    _List(
        "http://ns.microsoft.com/photo/1.0/",
        "LastKeywordXMP",
        "MicrosoftPhoto",
        "/",
        ours=False,
    ),
)

NOTHING: Final = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="tagger">\n'
    b' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    b" </rdf:RDF>\n"
    b"</x:xmpmeta>\n"
)
"""A packet of ours without any property."""

_HEAD: Final = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_TAIL: Final = b'<?xpacket end="w"?>'

EMPTY_SIDECAR: Final = b'<?xml version="1.0" encoding="UTF-8"?>\n' + NOTHING
EMPTY_PACKET: Final = _HEAD + NOTHING + _TAIL
"""What a sidecar and a packet in a file begin with: see ISO 16684-1, 7.3."""


@dataclass(slots=True)
class _Node:
    """An element: its name as "namespace local", and where it lies in the packet."""

    name: str
    attributes: dict[str, str]
    start: int
    end: int = 0
    inner_end: int = 0
    text: str = ""
    children: "list[_Node]" = field(default_factory=list)

    def named(self, *names: str) -> "Iterator[_Node]":
        return (child for child in self.children if child.name in names)


_Edit = tuple[int, int, bytes]
"""The bytes from one place to another, and what comes in their stead."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A parsed packet."""

    data: bytes
    rdf: _Node
    prefixes: frozenset[str]

    @classmethod
    def parse(cls, data: bytes) -> "Packet":
        """Find the elements of a packet; DamagedXmpError if it is not one."""
        return _of_ours(data) if data in _OURS else cls._parse(data)

    @classmethod
    def _parse(cls, data: bytes) -> "Packet":
        body = data.rstrip(b"\0")
        if len(body) > LARGEST:
            raise DamagedXmpError("is too large")
        try:
            body.decode()
            root, prefixes = _parsed(body)
        except UnicodeDecodeError as error:
            raise DamagedXmpError("is not in UTF-8") from error
        except expat.ExpatError as error:
            why = expat.ErrorString(error.code)
            raise DamagedXmpError(
                f"is damaged in line {error.lineno}: {why}"
            ) from error
        for node in (root, *root.children):
            if node.name == f"{_RDF} RDF":
                return cls(data, node, prefixes)
        raise DamagedXmpError("is damaged: it has no rdf:RDF")

    def says(self, keyword: Keyword | None) -> bool:
        """Whether it says exactly this of us; None is nothing at all."""
        told = self._told()
        told.pop("AddedTo", None)
        if keyword is None:
            return not told
        return told == keyword.properties() and all(
            listed.value(keyword) in self._values(listed)
            for listed in _LISTS
            if listed.ours or self._list(listed)
        )

    @property
    def tag(self) -> str:
        """The tag that we wrote; "" for none."""
        return self._told().get("Tag", "")

    @property
    def added_to(self) -> list[str]:
        """The lists that had no such keyword before, so that they lose it again."""
        return self._told().get("AddedTo", "").split()

    def without(self) -> bytes:
        """Return it without our keyword and our properties."""
        keyword = Keyword(self.tag, "", parent=self._told().get("Parent", ""))
        added = self.added_to
        edits: list[_Edit] = []
        for description in self._descriptions():
            edits += self._cuts(description, keyword, added)
        return _edited(self.data, edits)

    def _cuts(
        self, description: _Node, keyword: Keyword, added: Sequence[str]
    ) -> list[_Edit]:
        """Cut what is ours out of a description, or all of it if nothing else stays."""
        whole, edits = [], list[_Edit]()
        for node in description.children:
            listed = next((one for one in _LISTS if _name(one) == node.name), None)
            if _is_own(node.name):
                whole.append(node)
            elif listed and listed.name in added:
                lis = _items(node)
                ours = [li for li in lis if li.text == listed.value(keyword)][:1]
                if len(ours) == len(lis):
                    whole.append(node)
                else:
                    edits += [self._cut(li) for li in ours]
        foreign = [
            name
            for name in description.attributes
            if name != f"{_RDF} about" and not _is_own(name)
        ]
        said = any(map(_is_own, description.attributes)) or whole
        if said and not foreign and len(whole) == len(description.children):
            return [self._cut(description)]
        edits += [self._cut(node) for node in whole]
        return edits + list(self._attribute_cuts(description))

    def _cut(self, node: _Node) -> _Edit:
        """Cut an element with the line break and the indentation before it."""
        blank = re.search(rb"(\n[ \t]*)?\Z", self.data[: node.start][-400:])
        return node.start - (len(blank[0]) if blank else 0), node.end, b""

    def _attribute_cuts(self, node: _Node) -> Iterator[_Edit]:
        if not any(map(_is_own, node.attributes)):
            return
        tag = _START.match(self.data, node.start)
        for found in _ATTRIBUTE.finditer(tag[0] if tag else b""):
            prefix, _, _ = found["name"].decode().partition(":")
            if prefix in self.prefixes:
                yield node.start + found.start(), node.start + found.end(), b""

    def with_keyword(self, keyword: Keyword, also: Sequence[str] = ()) -> bytes:
        """Return it with a keyword; it says nothing of us before.

        `also` names lists outside of the packet that got the keyword.
        """
        edits, own, added = list[_Edit](), list[_List](), list(also)
        for listed in _LISTS:
            value, node = listed.value(keyword), self._list(listed)
            if node is None:
                own += [listed] * listed.ours
            elif value not in self._values(listed):
                edits.append(self._item_added(node, value))
            else:
                continue
            if node or listed.ours:
                added.append(listed.name)
        edits.append(self._appended(self.rdf, self._description(keyword, own, added)))
        return _edited(self.data, edits)

    def _item_added(self, node: _Node, value: str) -> _Edit:
        (container,) = node.children
        rdf = self._prefix(container)
        return self._appended(container, f"<{rdf}li>{escape(value)}</{rdf}li>")

    def _description(
        self, keyword: Keyword, own: Iterable[_List], added: Iterable[str]
    ) -> str:
        """Write a description of our own, which declares its prefixes itself."""
        rdf, own = self._prefix(self.rdf), list(own)
        about = next(
            (node.attributes.get(f"{_RDF} about", "") for node in self._descriptions()),
            "",
        )
        said = keyword.properties() | {"AddedTo": " ".join(added)}
        lines = [f"<{rdf}Description {rdf}about={quoteattr(about)}"]
        lines += [f'    xmlns:{_PREFIX}="{NAMESPACE}"']
        lines += [f'    xmlns:{one.prefix}="{one.namespace}"' for one in own]
        lines += [f"    {_PREFIX}:{name}={_quoted(said[name])}" for name in said]
        lines[-1] += ">"
        for one in own:
            name, value = f"{one.prefix}:{one.name}", escape(one.value(keyword))
            lines += [f"   <{name}>", f"    <{rdf}Bag>"]
            lines += [f"     <{rdf}li>{value}</{rdf}li>"]
            lines += [f"    </{rdf}Bag>", f"   </{name}>"]
        return "\n".join([*lines, f"  </{rdf}Description>"])

    def _appended(self, parent: _Node, text: str) -> _Edit:
        """Put an element at the end of another one, in a line of its own."""
        if _is_empty(self.data, parent):
            name = self._raw_name(parent)
            whole = f">\n  {text}</{name}>".encode()
            return parent.end - 2, parent.end, whole
        at = parent.inner_end
        if parent.children:
            at = parent.children[-1].end
        elif start := _START.match(self.data, parent.start):
            at = start.end()
        return at, at, f"\n  {text}".encode()

    def _told(self) -> dict[str, str]:
        """Return our properties, whether attributes or elements."""
        told: dict[str, str] = {}
        for node in self._descriptions():
            told |= {_local(k): v for k, v in node.attributes.items() if _is_own(k)}
            told |= {_local(c.name): c.text for c in node.children if _is_own(c.name)}
        return told

    def _descriptions(self) -> Iterator[_Node]:
        return self.rdf.named(f"{_RDF} Description")

    def _list(self, listed: _List) -> _Node | None:
        """Return the property of a list; None if the packet has none.

        DamagedXmpError if it holds something else.
        """
        for description in self._descriptions():
            for node in description.named(_name(listed)):
                if len(node.children) != 1 or node.children[0].name not in _CONTAINERS:
                    raise DamagedXmpError(
                        f"is damaged: its {listed.prefix}:{listed.name} is not a list"
                    )
                return node
        return None

    def _values(self, listed: _List) -> list[str]:
        node = self._list(listed)
        return [li.text for li in _items(node)] if node else []

    def _raw_name(self, node: _Node) -> str:
        found = re.compile(rb"<([^\s/>]+)").match(self.data, node.start)
        return found[1].decode() if found else ""

    def _prefix(self, node: _Node) -> str:
        prefix, colon, _ = self._raw_name(node).rpartition(":")
        return prefix + colon


_OURS: Final = (EMPTY_SIDECAR, EMPTY_PACKET)


@cache
def _of_ours(data: bytes) -> Packet:
    """Return a packet that most begin with, parsed once."""
    return Packet._parse(data)  # noqa: SLF001  of this module


_START: Final = re.compile(rb"""<[^"'>]*(?:"[^"]*"[^"'>]*|'[^']*'[^"'>]*)*>""")
"""A start tag; its attributes may contain ">"."""

_ATTRIBUTE: Final = re.compile(
    rb"""\s+(?P<name>[^\s=<>"'/]+)\s*=\s*(?:"[^"]*"|'[^']*')"""
)
_CONTAINERS: Final = {f"{_RDF} Bag", f"{_RDF} Seq", f"{_RDF} Alt"}


def merged(packet: bytes, keyword: Keyword | None) -> bytes:
    """Return a packet that has our keyword, or none of ours for None.

    The same object comes back if there is nothing to change. Raises DamagedXmpError.
    """
    before = Packet.parse(packet)
    if before.says(keyword):
        return packet
    bare = before.without()
    return bare if keyword is None else Packet.parse(bare).with_keyword(keyword)


def _parsed(data: bytes) -> tuple[_Node, frozenset[str]]:
    """Return the root element with all others in it, and the prefixes that are ours.

    Raises expat.ExpatError.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    top = _Node("", {}, 0)
    above = [top]
    prefixes = set[str]()

    def declare(prefix: str | None, uri: str | None) -> None:
        if uri == NAMESPACE and prefix:
            prefixes.add(prefix)

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(above) > _DEEPEST:
            raise DamagedXmpError("is damaged: its elements are nested too deeply")
        node = _Node(name, attributes, parser.CurrentByteIndex)
        above[-1].children.append(node)
        above.append(node)

    def end(_name: str) -> None:
        node = above.pop()
        node.inner_end = node.end = parser.CurrentByteIndex
        if not _is_empty(data, node):
            node.end = data.index(b">", node.end) + 1

    def text(value: str) -> None:
        above[-1].text += value

    def refuse(*_: object) -> None:
        # XMP needs no document type, and entities can fill the memory.
        raise DamagedXmpError("is damaged: it declares a document type")

    parser.StartNamespaceDeclHandler = declare
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    finally:
        # The handlers know the parser: only a collection of garbage, which is rare in
        # this program, would free it.
        parser.StartElementHandler = parser.EndElementHandler = None
        parser.CharacterDataHandler = parser.StartDoctypeDeclHandler = None
        parser.StartNamespaceDeclHandler = None
    return top.children[0], frozenset(prefixes)


def _is_empty(data: bytes, node: _Node) -> bool:
    """Whether an element is written as "<a/>": then Expat says that it ends there."""
    if data[node.end - 2 : node.end] != b"/>":
        return False
    tag = _START.match(data, node.start)  # the "/>" may be that of a child
    return tag is not None and tag.end() == node.end


def _edited(data: bytes, edits: Iterable[_Edit]) -> bytes:
    """Apply edits, which do not overlap."""
    pieces, at = [], 0
    for start, end, instead in sorted(edits):
        pieces += [data[at:start], instead]
        at = end
    return b"".join([*pieces, data[at:]])


def _items(node: _Node) -> list[_Node]:
    return [li for container in node.children for li in container.named(f"{_RDF} li")]


def _name(listed: _List) -> str:
    return f"{listed.namespace} {listed.name}"


def _is_own(name: str) -> bool:
    return name.startswith(f"{NAMESPACE} ")


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _quoted(value: str) -> str:
    return '"' + escape(value, {'"': "&quot;"}) + '"'
