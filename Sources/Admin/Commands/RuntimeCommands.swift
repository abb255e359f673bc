// `/runtime` and `/runtime_modify`.

import Control

enum RuntimeCommands {
    static let show = AdminCommand("/runtime", "print runtime values") { context, _ in
        let entries = context.server.runtime.entries
        let layers = context.server.runtime.layers
        let steps: [DumpStep] = [
            .once { json in
                json.open("{")
                json.key("entries")
                json.open("{")
            },
            .each(entries.count) { json, i in
                json.object(entries[i].key) { json in
                    json.member("final_value", entries[i].finalValue)
                    json.array("layer_values") { json in
                        for value in entries[i].layerValues { json.element(value) }
                    }
                }
            },
            .once { json in
                json.close("}")
                json.array("layers") { json in
                    for layer in layers { json.element(layer) }
                }
                json.close("}")
                json.end()
            },
        ]
        return AdminResponse(contentType: AdminResponse.json, body: DumpBody(steps))
    }

    static let modify = AdminCommand(
        "/runtime_modify",
        "Adds or modifies runtime values as passed in query parameters. To delete a previously added key, use an empty string as the value. Note that deletion only applies to overrides added via this endpoint; values loaded from disk can be modified via override but not deleted. E.g. ?key1=value1&key2=value2...",
        mutates: true
    ) { context, request in
        guard !request.query.isEmpty else {
            return AdminResponse(
                """
                usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN
                       or send the parameters as form values
                use an empty value to remove a previously added override
                """, status: 400)
        }
        guard context.server.runtime.modify(request.query.all) else {
            return AdminResponse("No admin layer specified", status: 503)
        }
        context.server.runtimeModified(request.query.all.map { "\($0.name) = \($0.value)" })
        return .ok
    }
}
