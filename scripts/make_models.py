#!/usr/bin/env python3
"""Makes the model tables of edge/wire (model.h) from the botocore package, and the Unicode categories (unicode.h) that their patterns
name: one C++ file of constants, without documentation.

usage: make_models.py BOTOCORE OUTPUT SERVICE...
BOTOCORE is a wheel or an unpacked package folder; SERVICE is a folder of its data ("kms"), of which the newest API version is taken,
or a model file of our own in the same form ("models/coffer.json": the service coffer).
"""
import gzip
import json
import sys
import unicodedata
import zipfile
from pathlib import Path

TYPES = {"structure": "kStructure", "list": "kList", "map": "kMap", "string": "kString", "character": "kString", "blob": "kBlob",
         "boolean": "kBoolean", "integer": "kInteger", "long": "kLong", "float": "kFloat", "double": "kDouble", "timestamp": "kTimestamp"}
LOCATIONS = {"header": "kHeader", "headers": "kHeaderMap", "uri": "kUri", "querystring": "kQuery", "statusCode": "kStatus"}
TIMESTAMPS = {"unixTimestamp": "kEpoch", "iso8601": "kIso8601", "rfc822": "kRfc822"}
PROTOCOLS = {"json": "kJson", "query": "kQuery", "rest-json": "kRestJson", "rest-xml": "kRestXml"}


class Package:
    """Files of the botocore package, in a wheel or in a folder."""

    def __init__(self, path):
        self.path = Path(path)
        self.wheel = zipfile.ZipFile(self.path) if self.path.is_file() else None

    def names(self, service):
        prefix = f"botocore/data/{service}/"
        if self.wheel:
            return [n for n in self.wheel.namelist() if n.startswith(prefix)]
        root = self.path if (self.path / "data").is_dir() else self.path / "botocore"
        return [prefix + str(p.relative_to(root / "data" / service)) for p in (root / "data" / service).rglob("*") if p.is_file()]

    def read(self, name):
        if self.wheel:
            data = self.wheel.read(name)
        else:
            root = self.path.parent if (self.path / "data").is_dir() else self.path
            data = (root / name).read_bytes()
        return json.loads(gzip.decompress(data) if name.endswith(".gz") else data)

    def service(self, service):
        if service.endswith(".json"):
            return json.loads(Path(service).read_text())
        models = sorted(n for n in self.names(service) if n.split("/")[-1].startswith("service-2.json"))
        if not models:
            sys.exit(f"make_models: botocore at {self.path} has no service {service}")
        return self.read(models[-1])


def text(value):
    out = []
    for c in value:
        if c in '"\\':
            out.append("\\" + c)
        elif " " <= c <= "~":
            out.append(c)
        else:
            out.extend(f"\\{b:03o}" for b in c.encode())
    return '"' + "".join(out) + '"'


def flag(value):
    return "true" if value else "false"


def namespace_of(trait):
    return trait.get("uri", "") if isinstance(trait, dict) else trait or ""


def prefix_of(trait):
    return trait.get("prefix", "") if isinstance(trait, dict) else ""


def unicode_categories():
    """Ranges of code points by the first letter of their category."""
    ranges = {category: [] for category in "LMNZ"}
    for code in range(0x110000):
        found = ranges.get(unicodedata.category(chr(code))[0])
        if found is not None:
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return ranges


def write_unicode(out):
    ranges = unicode_categories()
    for category, found in ranges.items():
        out.append(f"constexpr CodePointRange kCategory{category}[] = {{")
        out.extend("    " + " ".join(f"{{{a}, {b}}}," for a, b in found[i:i + 8]) for i in range(0, len(found), 8))
        out.append("};")
    out += ["}  // namespace", "", "std::span<const CodePointRange> unicode_category(char category) {", "  switch (category) {"]
    out.extend(f"    case '{category}': return kCategory{category};" for category in ranges)
    out += ["    default: return {};", "  }", "}", ""]


class Service:
    def __init__(self, identity, model, patterns):
        self.id, self.model, self.meta, self.patterns = identity, model, model["metadata"], patterns
        self.prefix = identity.replace("-", "_")
        self.index = {}
        for operation in model["operations"].values():
            for ref in [operation.get("input"), operation.get("output"), *operation.get("errors", [])]:
                if ref:
                    self.reach(ref["shape"])

    def reach(self, name):
        if name in self.index:
            return
        self.index[name] = len(self.index)
        shape = self.model["shapes"][name]
        refs = [*shape.get("members", {}).values(), *(shape[k] for k in ("member", "key", "value") if k in shape)]
        for ref in refs:
            self.reach(ref["shape"])

    def members(self, shape):
        if shape["type"] == "structure":
            return [(n, r, n in shape.get("required", [])) for n, r in shape.get("members", {}).items()]
        if shape["type"] == "list":
            return [("member", shape["member"], False)]
        if shape["type"] == "map":
            return [("key", shape["key"], False), ("value", shape["value"], False)]
        return []

    def member(self, name, ref, required):
        xml = ref.get("xmlNamespace")
        stream = ref.get("streaming") or self.model["shapes"][ref["shape"]].get("streaming")
        return (f"{{{text(name)}, &{self.prefix}_shapes[{self.index[ref['shape']]}], {text(ref.get('locationName', ''))}, "
                f"Location::{LOCATIONS.get(ref.get('location'), 'kBody')}, TimestampFormat::{TIMESTAMPS.get(ref.get('timestampFormat'), 'kDefault')}, "
                f"{flag(required)}, {flag(ref.get('flattened'))}, {flag(ref.get('xmlAttribute'))}, {flag(stream)}, "
                f"{flag(ref.get('idempotencyToken'))}, {flag(ref.get('jsonvalue'))}, {text(namespace_of(xml))}, {text(prefix_of(xml))}}}")

    def write(self, out):
        shapes = self.model["shapes"]
        names = sorted(self.index, key=self.index.get)
        p = self.prefix
        out.append(f"extern const Shape {p}_shapes[{len(names)}];")
        for name in names:
            members = self.members(shapes[name])
            if members:
                out.append(f"constexpr Member {p}_m{self.index[name]}[] = {{")
                out.extend(f"    {self.member(*m)}," for m in members)
                out.append("};")
            if shapes[name].get("enum"):
                out.append(f"constexpr std::string_view {p}_e{self.index[name]}[] = {{{', '.join(text(v) for v in shapes[name]['enum'])}}};")
        out.append(f"constinit const Shape {p}_shapes[{len(names)}] = {{")
        out.extend(f"    {self.shape(name)}," for name in names)
        out.append("};")
        operations = sorted(self.model["operations"].values(), key=lambda o: o["name"])
        for i, operation in enumerate(operations):
            errors = [f"&{p}_shapes[{self.index[e['shape']]}]" for e in operation.get("errors", [])]
            if errors:
                out.append(f"constexpr const Shape* {p}_x{i}[] = {{{', '.join(errors)}}};")
        out.append(f"constexpr OperationModel {p}_operations[] = {{")
        out.extend(f"    {self.operation(i, o)}," for i, o in enumerate(operations))
        out.append("};")

    def shape(self, name):
        shape, i, p = self.model["shapes"][name], self.index[name], self.prefix
        span = f"{p}_m{i}" if self.members(shape) else "{}"
        values = f"{p}_e{i}" if shape.get("enum") else "{}"
        error = shape.get("error", {})
        low, high, pattern = shape.get("min"), shape.get("max"), shape.get("pattern", "")
        number = self.patterns.setdefault(pattern, len(self.patterns)) if pattern else -1
        return (f"{{{text(name)}, ShapeType::{TYPES[shape['type']]}, {span}, {text(shape.get('payload', ''))}, {values}, "
                f"{text(pattern)}, {number}, {float(low or 0)!r}, {float(high or 0)!r}, {flag(low is not None)}, {flag(high is not None)}, "
                f"{flag(shape.get('flattened'))}, {flag(shape.get('sensitive'))}, {flag(shape.get('union'))}, {flag(shape.get('exception'))}, "
                f"{flag(shape.get('fault'))}, {flag(shape.get('document'))}, {flag(shape.get('streaming'))}, "
                f"TimestampFormat::{TIMESTAMPS.get(shape.get('timestampFormat'), 'kDefault')}, {text(error.get('code', ''))}, "
                f"{error.get('httpStatusCode', 0)}, {text(shape.get('locationName', ''))}, {text(namespace_of(shape.get('xmlNamespace')))}, "
                f"{text(prefix_of(shape.get('xmlNamespace')))}}}")

    def operation(self, i, operation):
        http, given, result = operation.get("http", {}), operation.get("input"), operation.get("output")
        pointer = lambda ref: f"&{self.prefix}_shapes[{self.index[ref['shape']]}]" if ref else "nullptr"
        checksum = operation.get("httpChecksumRequired") or operation.get("httpChecksum", {}).get("requestChecksumRequired")
        errors = f"{self.prefix}_x{i}" if operation.get("errors") else "{}"
        return (f"{{{text(operation['name'])}, {text(http.get('method', 'POST'))}, {text(http.get('requestUri', '/'))}, "
                f"{http.get('responseCode', 200)}, {pointer(given)}, {pointer(result)}, {text((result or {}).get('resultWrapper', ''))}, "
                f"{text((given or {}).get('locationName', ''))}, {text(namespace_of((given or {}).get('xmlNamespace')))}, {errors}, {flag(checksum)}, "
                f"{flag(operation.get('deprecated'))}}}")

    def entry(self):
        m = self.meta
        return (f"{{{text(self.id)}, {text(m.get('signingName', m['endpointPrefix']))}, {text(m['endpointPrefix'])}, {text(m['apiVersion'])}, "
                f"{text(m.get('targetPrefix', ''))}, {text(m.get('jsonVersion', ''))}, {text(namespace_of(m.get('xmlNamespace')))}, "
                f"{text(m.get('serviceFullName', ''))}, ProtocolKind::{PROTOCOLS[m['protocol']]}, "
                f"{flag('globalEndpoint' in m or self.id == 'organizations')}, {self.prefix}_operations}}")


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    package = Package(sys.argv[1])
    patterns = {}
    services = [Service(Path(name).stem, package.service(name), patterns) for name in sorted(set(sys.argv[3:]), key=lambda n: Path(n).stem)]
    out = ["// Made by scripts/make_models.py.", '#include "edge/wire/model.h"', '#include "edge/wire/unicode.h"', "",
           "namespace coffer::wire {", "namespace {", ""]
    for service in services:
        service.write(out)
    out += ["constexpr ServiceModel kServices[] = {", *(f"    {s.entry()}," for s in services), "};", ""]
    write_unicode(out)
    out += ["std::span<const ServiceModel> service_models() { return kServices; }",
            f"size_t pattern_count() {{ return {len(patterns)}; }}", "", "}  // namespace coffer::wire", ""]
    text_out = "\n".join(out)
    target = Path(sys.argv[2])
    if not target.exists() or target.read_text() != text_out:
        target.write_text(text_out)


if __name__ == "__main__":
    main()
