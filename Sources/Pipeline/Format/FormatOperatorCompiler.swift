// One operator with its argument → a piece of a format, with Envoy's errors.

import Glibc
import Primitives
import Wire

struct FormatOperatorCompiler {
    let arena: FrozenArena
    let token: FormatToken
    let compiler: FormatCompiler

    func compile() throws(FormatError) -> FormatPiece {
        let rule = try findRule()
        try check(rule)
        var piece = FormatPiece()
        piece.op = rule.op
        piece.option = rule.option
        piece.length = token.length ?? Int.max
        switch rule.op {
        case .requestHeader, .responseHeader, .responseTrailer, .requestWithoutQuery: try headers(&piece)
        case .path: try path(&piece)
        case .queryParameter: piece.text = arena.text(token.argument ?? "")
        case .queryParameters: try queryParameters(&piece)
        case .grpcStatus: try grpcStatus(&piece)
        case .pointDuration: try duration(&piece)
        case .startTime, .emitTime, .downstreamCertificateTime, .upstreamCertificateTime: try time(&piece)
        case .serverName: try serverName(&piece)
        case .downstreamRemoteAddress, .downstreamDirectRemoteAddress, .downstreamLocalAddress,
            .downstreamDirectLocalAddress, .upstreamLocalAddress, .upstreamRemoteAddress:
            mask(&piece)
        case .literal: constant(&piece)
        case .forwardedCertificate: try forwardedCertificate(&piece)
        case .coalesce: try choices(&piece)
        case .expression: try expression(&piece)
        case .fileContent: try fileContent(&piece)
        case .secret: try secret(&piece)
        case .absent, .dynamicMetadata, .configMetadata, .filterState: try metadata(&piece)
        default: break
        }
        return piece
    }

    private func findRule() throws(FormatError) -> FormatOperatorRule {
        let isKnown =
            switch token.name {
            case "REQ_WITHOUT_QUERY": compiler.allowsRequestWithoutQuery
            case "FILE_CONTENT": compiler.file != nil
            case "SECRET": compiler.secret != nil
            default: true
            }
        if isKnown, let rule = FormatOperator.rule(token.name) { return rule }
        throw FormatError(
            "Not supported field in StreamInfo: \(token.name)", found: "the operator %\(token.name)%",
            expected: "an operator of Envoy's access logs",
            suggestion: FormatOperator.extended[token.name].map { "it takes the formatter extension \($0), where formatters may be listed" }
                ?? FormatOperatorNames.nearest(token.name).map { "did you mean %\($0)%?" })
    }

    private func check(_ rule: FormatOperatorRule) throws(FormatError) {
        switch rule.argument {
        case .refused:
            if !(token.argument ?? "").isEmpty || token.length != nil {
                throw FormatError("\(token.name) does not take any parameters or length")
            }
        case .required:
            if (token.argument ?? "").isEmpty, token.name != "METADATA", !token.name.hasSuffix("FILTER_STATE") {
                throw FormatError("\(token.name) \(token.name == "XFCC_VALUE" ? "command requires a subcommand" : "requires parameters")")
            }
            fallthrough
        case .optional:
            if token.length != nil, !rule.mayHaveLength {
                throw FormatError("\(token.name) does not allow length to be specified.")
            }
        }
    }

    // MARK: headers

    private func headers(_ piece: inout FormatPiece) throws(FormatError) {
        let names = (token.argument ?? "").split(separator: "?", omittingEmptySubsequences: false)
        guard names.count <= 2 else {
            throw FormatError("More than 1 alternative header specified in token: \(token.argument ?? "")")
        }
        let isRequest = piece.op == .requestHeader || piece.op == .requestWithoutQuery
        piece.header = try FormatOperatorCompiler.header(String(names[0]), isRequest: isRequest, in: arena)
        if names.count == 2 {
            piece.alternate = try FormatOperatorCompiler.header(String(names[1]), isRequest: isRequest, in: arena)
        }
    }

    /// `:path`, `X-Request-Id`; an empty name is never found.
    static func header(_ name: String, isRequest: Bool, in arena: FrozenArena) throws(FormatError) -> FormatHeader {
        var header = FormatHeader()
        guard !name.isEmpty else { return header }
        guard name.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f && $0 != 0x22 && $0 != 0x28 && $0 != 0x29 }) else {
            throw FormatError("Invalid header configuration. Format string contains invalid characters: '\(name)'")
        }
        let bytes = name.utf8.map { Bytes.lower($0) }
        header.name = arena.text(bytes)
        header.id = HeaderNames.id(of: header.name)
        header.part = .field
        switch (String(decoding: bytes, as: UTF8.self), isRequest) {
        case (":method", true): header.part = .method
        case (":path", true): header.part = .path
        case (":authority", true), ("host", true): header.part = .authority
        case (":scheme", true): header.part = .scheme
        case (":status", false): header.part = .status
        default: break
        }
        return header
    }

    private func path(_ piece: inout FormatPiece) throws(FormatError) {
        let parts = (token.argument ?? "").split(separator: ":", omittingEmptySubsequences: false)
        switch parts.first ?? "" {
        case "", "WQ": piece.option = 0
        case "NQ": piece.option = 1
        case let other: throw FormatError("Invalid PATH option: '\(other)', only 'WQ'/'NQ' are allowed")
        }
        switch parts.count > 1 ? parts[1] : "" {
        case "", "ORIG_OR_PATH": piece.secondOption = PathSource.originalOrCurrent.rawValue
        case "ORIG": piece.secondOption = PathSource.original.rawValue
        case "PATH": piece.secondOption = PathSource.current.rawValue
        case let other:
            throw FormatError("Invalid PATH option: '\(other)', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed")
        }
    }

    private func queryParameters(_ piece: inout FormatPiece) throws(FormatError) {
        let option = token.argument ?? ""
        piece.option = option == "DECODED" ? 1 : 0
        guard ["", "ORIG", "DECODED"].contains(option) else {
            throw FormatError("Invalid QUERY_PARAMS option: '\(option)', only 'ORIG'/'DECODED' are allowed")
        }
    }

    private func grpcStatus(_ piece: inout FormatPiece) throws(FormatError) {
        guard token.name == "GRPC_STATUS" else { return }
        switch token.argument ?? "" {
        case "", "CAMEL_STRING": piece.option = GRPCStatus.Form.camel.rawValue
        case "SNAKE_STRING": piece.option = GRPCStatus.Form.snake.rawValue
        case "NUMBER": piece.option = GRPCStatus.Form.number.rawValue
        case let other:
            throw FormatError(
                "GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: \(other)")
        }
    }

    private func serverName(_ piece: inout FormatPiece) throws(FormatError) {
        let parts = (token.argument ?? "").split(separator: ":", omittingEmptySubsequences: false)
        switch parts.first ?? "" {
        case "", "SNI_ONLY": piece.option = ServerNameSource.serverName.rawValue
        case "SNI_FIRST": piece.option = ServerNameSource.serverNameThenHost.rawValue
        case "HOST_FIRST": piece.option = ServerNameSource.host.rawValue
        case let other:
            throw FormatError(
                "Invalid REQUESTED_SERVER_NAME option: '\(other)', only 'SNI_ONLY'/'SNI_FIRST'/'HOST_FIRST' are allowed")
        }
        switch parts.count > 1 ? parts[1] : "" {
        case "", "ORIG_OR_HOST": piece.secondOption = PathSource.originalOrCurrent.rawValue
        case "ORIG": piece.secondOption = PathSource.original.rawValue
        case "HOST": piece.secondOption = PathSource.current.rawValue
        case let other:
            throw FormatError(
                "Invalid REQUESTED_SERVER_NAME option: '\(other)', only 'ORIG_OR_HOST'/'HOST'/'ORIG' are allowed")
        }
    }

    // MARK: times and addresses

    private func duration(_ piece: inout FormatPiece) throws(FormatError) {
        let argument = token.argument ?? ""
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 3 else {
            throw FormatError(
                "Invalid common duration configuration: \(argument). Expected START:END or START:END:ms|us|ns")
        }
        piece.option = TimePoint(name: String(parts[0])).rawValue
        piece.secondOption = TimePoint(name: String(parts[1])).rawValue
        // The length of the unit in nanoseconds.
        switch parts.count == 3 ? parts[2] : "ms" {
        case "ms": piece.length = 1_000_000
        case "us": piece.length = 1000
        case "ns": piece.length = 1
        case let other: throw FormatError("Invalid common duration precision: \(other). Expected ms, us or ns")
        }
    }

    private func time(_ piece: inout FormatPiece) throws(FormatError) {
        let argument = token.argument ?? ""
        if TimeFormat.breaksLine(argument) {
            throw FormatError("Invalid header configuration. Format string contains newline.")
        }
        let standard = piece.option == 1 ? TimeFormat.localDefault : TimeFormat.utcDefault
        piece.time = TimeFormat.compile(argument.isEmpty ? standard : argument, in: arena)
    }

    /// `(16)`: the length of the prefix that is kept; what is no number is ignored, as in Envoy.
    private func mask(_ piece: inout FormatPiece) {
        piece.secondOption = UInt8.max
        if let argument = token.argument, let bits = UInt8(argument), bits <= 128 { piece.secondOption = bits }
    }

    // MARK: what is known now

    private func constant(_ piece: inout FormatPiece) {
        if token.name == "HOSTNAME" {
            piece.text = arena.text(FormatOperatorCompiler.hostname)
            return
        }
        guard let value = unsafe getenv(token.argument ?? "") else {
            // A constant, also where missing values are left out.
            piece.text = Bytes("-")
            return
        }
        let text = unsafe Array(String(cString: value).utf8)
        piece.text = arena.text(Array(text.prefix(piece.length)))
        if piece.text.isEmpty { piece.op = .empty }
    }

    private static let hostname: String = {
        var name = [UInt8](repeating: 0, count: 256)
        let result = unsafe name.withUnsafeMutableBytes { buffer in
            unsafe buffer.baseAddress.map { unsafe gethostname($0.assumingMemoryBound(to: CChar.self), 255) } ?? -1
        }
        guard result == 0 else { return "-" }
        return String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
    }()

    /// Elements of `x-forwarded-client-cert`, whatever their case.
    private func forwardedCertificate(_ piece: inout FormatPiece) throws(FormatError) {
        let key = token.argument ?? ""
        guard ["by", "hash", "cert", "chain", "subject", "uri", "dns"].contains(key.lowercased()) else {
            throw FormatError("XFCC_VALUE command does not support subcommand: \(key)")
        }
        piece.text = arena.text(key)
    }

    private func expression(_ piece: inout FormatPiece) throws(FormatError) {
        do throws(CELError) {
            piece.program = try CELCompiler(in: arena, compiler.expressions).compile(token.argument ?? "")
        } catch {
            throw FormatError("%\(token.name)%: Not able to parse expression: \(error.message)")
        }
    }

    /// `path`, or `path:directory`: a change of either shows in the file itself.
    private func fileContent(_ piece: inout FormatPiece) throws(FormatError) {
        let argument = token.argument ?? ""
        let parts = argument.split(separator: ":")
        guard let file = compiler.file, parts.count == 1 || parts.count == 2 else {
            throw FormatError("FILE_CONTENT: expected format 'path' or 'path:watch_directory', got '\(argument)'")
        }
        piece.slot = try file(String(parts[0]), parts.count == 2 ? String(parts[1]) : nil)
    }

    /// A name of the formatter's `secret_configs`, to the letter.
    private func secret(_ piece: inout FormatPiece) throws(FormatError) {
        let name = token.argument ?? ""
        guard let slot = compiler.secret?(name) else {
            throw FormatError("envoy.formatter.generic_secret: secret '\(name)' is not configured in secret_configs")
        }
        piece.slot = slot
    }

    private func metadata(_ piece: inout FormatPiece) throws(FormatError) {
        let argument = token.argument ?? ""
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        if token.name == "METADATA" {
            let kinds = [
                "DYNAMIC", "CLUSTER", "ROUTE", "UPSTREAM_HOST", "LISTENER", "LISTENER_FILTER_CHAIN", "VIRTUAL_HOST",
            ]
            guard let kind = parts.first, kinds.contains(kind) else {
                throw FormatError("\(parts.first ?? "") is not supported type of metadata. Expected \(kinds.joined(separator: ", "))")
            }
            if let owner = MetadataOwner(kind) { return FormatMetadata.config(owner, parts.dropFirst(), arena, &piece) }
            if kind != "DYNAMIC" { piece.op = .absent }
        }
        if piece.op == .configMetadata {
            return FormatMetadata.config(token.name == "CLUSTER_METADATA" ? .cluster : .host, parts[...], arena, &piece)
        }
        if piece.op == .dynamicMetadata { return FormatMetadata.dynamic(Array(token.name == "METADATA" ? parts.dropFirst() : parts[...]), arena, &piece) }
        guard token.name.hasSuffix("FILTER_STATE") else { return }
        guard let key = parts.first, !key.isEmpty else {
            throw FormatError("Invalid filter state configuration, key cannot be empty.")
        }
        if parts.count > 1, !["PLAIN", "TYPED", "FIELD"].contains(parts[1]) {
            throw FormatError("Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.")
        }
        FormatMetadata.filterState(parts, arena, &piece)
    }
}

extension FormatCompiler {
    /// A header's name as loggers with names of their own ask for it.
    package static func header(_ name: String, isRequest: Bool, in arena: FrozenArena) throws(FormatError) -> FormatHeader {
        try FormatOperatorCompiler.header(name, isRequest: isRequest, in: arena)
    }
}

/// For "did you mean".
enum FormatOperatorNames {
    /// The known name that differs least, when it differs little.
    static func nearest(_ name: String) -> String? {
        let known = FormatOperator.commonNames
        let best = known.map { ($0, distance(Array(name.utf8), Array($0.utf8))) }.min { $0.1 < $1.1 }
        guard let best, best.1 <= max(1, name.utf8.count / 3) else { return nil }
        return best.0
    }

    /// Levenshtein's distance.
    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var row = Array(0...b.count)
        for i in 0..<a.count {
            var previous = row[0]
            row[0] = i + 1
            for j in 0..<b.count {
                let change = previous + (a[i] == b[j] ? 0 : 1)
                previous = row[j + 1]
                row[j + 1] = min(change, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[b.count]
    }
}
