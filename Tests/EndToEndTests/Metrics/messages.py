#!/usr/bin/env python3
"""Reads the admin interface's JSON as tools do that know Envoy's messages: strictly, with the public descriptors (xds-protos
from PyPI). A field that the message lacks, an enum value that it does not know, a type of an Any that nobody knows is an error.

    messages.py PORT      "done", or one line per answer that cannot be read; exit status 77 when xds-protos is missing
"""
import importlib
import json
import os
import sys
import urllib.request

try:
    import validate.validate_pb2 as validate
    from google.protobuf import json_format
except ImportError as reason:
    print(f"skipped: {reason}")
    sys.exit(77)

# Answers with what must be in them: an empty message would be read, too.
MESSAGES = [
    ("/clusters?format=json", "clusters", "Clusters", lambda m: m.cluster_statuses[0].host_statuses[0].stats),
    ("/listeners?format=json", "listeners", "Listeners", lambda m: m.listener_statuses),
    ("/certs", "certs", "Certificates", lambda m: m.certificates[0].cert_chain[0].serial_number),
    # A sanitizer's allocator tells libc's nothing.
    ("/memory", "memory", "Memory", lambda m: m.allocated or "MARTLET_SANITIZED" in os.environ),
    ("/server_info", "server_info", "ServerInfo", lambda m: m.command_line_options.concurrency),
    ("/config_dump", "config_dump", "ConfigDump", lambda m: len(m.configs) > 3),
    ("/config_dump?include_eds", "config_dump", "ConfigDump", lambda m: len(m.configs) > 4),
    ("/config_dump?resource=static_clusters", "config_dump", "ConfigDump", lambda m: m.configs),
    ("/config_dump?resource=static_clusters&mask=cluster.name", "config_dump", "ConfigDump", lambda m: m.configs),
    ("/init_dump", "init_dump", "UnreadyTargetsDumps", lambda m: True),
    ("/contention", "mutex_stats", "MutexStats", lambda m: True),
]

# Fields of Envoy 1.40 that the newest xds-protos lacks: Envoy itself answers with them.
NEWER = {"/server_info": ["hot_restart_initializing", "command_line_options.file_flush_min_size",
                          "command_line_options.log_stacktrace_single_entry"]}


def register():
    """Importing a generated module registers its messages: what stands in an Any is read, too."""
    root = os.path.dirname(os.path.dirname(validate.__file__))
    for folder, _, files in os.walk(os.path.join(root, "envoy")):
        for file in files:
            if file.endswith("_pb2.py"):
                try:
                    importlib.import_module(os.path.relpath(os.path.join(folder, file), root)[:-3].replace(os.sep, "."))
                except (ImportError, TypeError):
                    pass  # a package with dependencies of its own, none of which is ours


def main():
    register()
    failures = 0
    for path, module, name, has in MESSAGES:
        message = getattr(importlib.import_module(f"envoy.admin.v3.{module}_pb2"), name)()
        with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}{path}", timeout=20) as answer:
            text = answer.read().decode()
        if path in NEWER:
            content = json.loads(text)
            for field in NEWER[path]:
                *outer, leaf = field.split(".")
                holder = content
                for step in outer:
                    holder = holder[step]
                del holder[leaf]
            text = json.dumps(content)
        try:
            json_format.Parse(text, message)
            problem = "" if has(message) else f"little is in it: {text[:200]}"
        except (json_format.ParseError, IndexError) as error:
            problem = str(error)
        if problem:
            failures += 1
            print(f"{path} as {name}: {problem}")
    if not failures:
        print("done")


main()
