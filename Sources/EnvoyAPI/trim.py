#!/usr/bin/env python3
"""Takes out of generated Swift messages what nobody in this repository calls: half a minute of a release build and a megabyte.

    trim.py MESSAGES REPOSITORY

* Comparing field by field: messages are compared by their wire format.
* `clear…()` that nobody calls, and setters of fields that nobody sets. Who sets one more gets "setter is inaccessible" from the
  compiler: `generate.sh` then writes it.
"""
import pathlib
import re
import sys

messages = pathlib.Path(sys.argv[1])
repository = pathlib.Path(sys.argv[2])
code = "\n".join(
    path.read_text()
    for part in ("Sources", "Tests", "perf")
    for path in sorted((repository / part).rglob("*.swift"))
    if messages.name not in path.parts)

equality = re.compile(r"(  public static func ==\(lhs: [\w.]+, rhs: [\w.]+\) -> Bool \{)\n.*?\n  \}\n", re.S)
clearing = re.compile(r" *///[^\n]*\n *public mutating func (clear\w+)\(\) \{[^\n]*\}\n")
# Stored, or computed with a setter behind its getter's line.
property = re.compile(r"^( *)public var (`?(\w+)`?: [^\n{]+? = [^\n]*\n|`?(\w+)`?: [^\n{]+ \{\n(?: *//[^\n]*\n)* *get (?:\{[^\n]*\}\n|\{\n(?:.*?\n)??\1  \}\n) *set )", re.M)
# `a.b[0].c = …`, `a.b.append(…)`, `&a.b`, `\\.b`: a and b and c.
chain = r"((?:\.\w+(?:\?|!|\[[^\]\n]*\])*)+)"
changes = re.compile(
    chain + r"\s*(?:[-+*/|&]?=(?!=)|\.(?:append|insert|remove\w*|reserveCapacity|sort|swapAt|merge)\()|[&\\][\w.]*?" + chain)
are_set = {"unknownFields"}
for match in changes.finditer(code):
    are_set.update(re.findall(r"\.(\w+)", match.group(1) or match.group(2)))


def trimmed(match):
    name = match.group(3) or match.group(4)
    return match.group(0) if name in are_set else match.group(1) + "public internal(set) var " + match.group(2)


for path in sorted(messages.glob("*.pb.swift")):
    text = path.read_text()
    text = equality.sub(r"\1 isSameMessage(lhs, rhs) }\n", text)
    text = clearing.sub(lambda match: match.group(0) if f".{match.group(1)}(" in code else "", text)
    path.write_text(property.sub(trimmed, text))
