"""Metadata as other programs write and read them."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

LIGHTROOM = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0-c000">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
    xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
   xmp:Rating="4"
   photoshop:Instructions="two&#xA;lines &gt; one"
   photoshop:SidecarForExtension="JPG"
   crs:Exposure2012="+0.35">
   <dc:subject>
    <rdf:Bag>
     <rdf:li>spring</rdf:li>
     <rdf:li>red &amp; white</rdf:li>
    </rdf:Bag>
   </dc:subject>
   <lr:hierarchicalSubject>
    <rdf:Bag>
     <rdf:li>season|spring</rdf:li>
    </rdf:Bag>
   </lr:hierarchicalSubject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
"""As Lightroom Classic saves it."""

DARKTABLE = f"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""
    xmlns:darktable="http://darktable.sf.net/"
    darktable:auto_presets_applied="1">
   <darktable:history>
    <rdf:Seq>
     <rdf:li
      darktable:num="0"
      darktable:params="gz02eJxjYGBgAAAABAAB"/>
    </rdf:Seq>
   </darktable:history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""

DIGIKAM = f"""<?xml version="1.0"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""
    xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/">
   <digiKam:TagsList><rdf:Seq><rdf:li>season/spring</rdf:li></rdf:Seq></digiKam:TagsList>
   <MicrosoftPhoto:LastKeywordXMP>
    <rdf:Bag><rdf:li>season/spring</rdf:li></rdf:Bag>
   </MicrosoftPhoto:LastKeywordXMP>
   <dc:subject><rdf:Bag><rdf:li>spring</rdf:li></rdf:Bag></dc:subject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""


def exiftool(*arguments: object) -> str:
    """Run exiftool; skip the test where there is none."""
    if not shutil.which("exiftool"):
        pytest.skip("no exiftool (Debian: libimage-exiftool-perl)")
    command = ["exiftool", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown_by_exiftool(path: Path) -> dict[str, Any]:
    """Return what exiftool reads, by group and name."""
    (found,) = json.loads(exiftool("-j", "-G1", "-struct", path))
    return dict(found)


Shown = Mapping[str, Any]


def keywords(picture: Path | Shown, name: str = "XMP-dc:Subject") -> list[str]:
    """Return the keywords of one property, as exiftool reads them."""
    found = _shown(picture).get(name, [])
    return [str(one) for one in (found if isinstance(found, list) else [found])]


def _shown(picture: Path | Shown) -> Shown:
    return shown_by_exiftool(picture) if isinstance(picture, Path) else picture


def read_by_digikam(picture: Path | Shown) -> list[str]:
    """Return the tags that digiKam would show, as paths with slashes.

    Its rule: the first of these properties that the file has, as `defaultValues` in
    core/libs/dmetadata/dmetadatasettingscontainer.cpp orders them.
    """
    found = _shown(picture)
    for name, separator in (
        ("XMP-digiKam:TagsList", "/"),
        ("XMP-microsoft:LastKeywordXMP", "/"),
        ("XMP-lr:HierarchicalSubject", "|"),
        ("XMP-mediapro:CatalogSets", "|"),
        ("XMP-acdsee:Categories", "/"),
        ("XMP-dc:Subject", "/"),
        ("IPTC:Keywords", "/"),
    ):
        if name in found:
            values = found[name] if isinstance(found[name], list) else [found[name]]
            return [str(value).replace(separator, "/") for value in values]
    return []
