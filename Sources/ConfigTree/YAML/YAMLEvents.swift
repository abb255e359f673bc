import CYAML

/// One event of libyaml, copied out of its memory; places and texts are the file's.
struct YAMLEvent {
    enum Kind: Equatable {
        case scalar(String, isPlain: Bool)
        case alias(String)
        case sequenceStart, mappingStart
        /// Of the innermost list or map.
        case end
        case documentStart, streamEnd
        case failed(String)
        case other
    }

    var kind: Kind
    /// From 0.
    var line: Int
    var column: Int
    var anchor: String?
    var tag: String?
    var isFlow = false
    var isDoubleQuoted = false
}

/// Owns libyaml's parser over bytes that it keeps alive. The only file that touches libyaml's memory.
@unsafe final class YAMLEvents {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let source: YAMLInput
    private let input: UnsafeMutableBufferPointer<UInt8>
    private var isReady: Bool

    init(_ source: YAMLInput) {
        unsafe self.source = source
        unsafe input = .allocate(capacity: source.bytes.count)
        _ = unsafe input.initialize(from: source.bytes)
        unsafe parser = .allocate(capacity: 1)
        unsafe isReady = yaml_parser_initialize(parser) == 1
        if unsafe isReady { unsafe yaml_parser_set_input_string(parser, input.baseAddress, source.bytes.count) }
    }

    deinit {
        if unsafe isReady { unsafe yaml_parser_delete(parser) }
        unsafe parser.deallocate()
        unsafe input.deallocate()
    }

    func next() -> YAMLEvent {
        guard unsafe isReady else { return YAMLEvent(kind: .failed("out of memory"), line: 0, column: 0) }
        var event = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &event) == 1 else { return unsafe failure() }
        defer { unsafe yaml_event_delete(&event) }
        var copy = unsafe self.event(.other, event.start_mark)
        switch unsafe event.type {
        case YAML_SCALAR_EVENT:
            let scalar = unsafe event.data.scalar
            let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            // `!!str` makes a string of anything, as quotes do.
            copy.tag = unsafe text(scalar.tag)
            let isPlain = unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE && copy.tag != "tag:yaml.org,2002:str"
            copy.kind = unsafe .scalar(
                source.text(String(decoding: bytes, as: UTF8.self)), isPlain: isPlain && copy.tag != "!")
            copy.anchor = unsafe text(scalar.anchor)
            copy.isDoubleQuoted = unsafe scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE
        case YAML_ALIAS_EVENT: copy.kind = unsafe .alias(text(event.data.alias.anchor) ?? "")
        case YAML_SEQUENCE_START_EVENT:
            copy.kind = .sequenceStart
            copy.anchor = unsafe text(event.data.sequence_start.anchor)
            copy.tag = unsafe text(event.data.sequence_start.tag)
            copy.isFlow = unsafe event.data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE
        case YAML_MAPPING_START_EVENT:
            copy.kind = .mappingStart
            copy.anchor = unsafe text(event.data.mapping_start.anchor)
            copy.tag = unsafe text(event.data.mapping_start.tag)
            copy.isFlow = unsafe event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: copy.kind = .end
        case YAML_DOCUMENT_START_EVENT: copy.kind = .documentStart
        case YAML_STREAM_END_EVENT: copy.kind = .streamEnd
        default: break
        }
        return copy
    }

    private func failure() -> YAMLEvent {
        let problem = unsafe parser.pointee.problem.map { unsafe String(cString: $0) } ?? "not YAML"
        // What is no text at all has a byte, not a mark.
        if unsafe parser.pointee.error == YAML_READER_ERROR {
            let (line, column) = unsafe source.place(ofByte: Int(clamping: parser.pointee.problem_offset))
            return YAMLEvent(kind: .failed(problem), line: line, column: column)
        }
        let context = unsafe parser.pointee.context.map { unsafe String(cString: $0) + ", " } ?? ""
        return unsafe event(.failed(context + problem), parser.pointee.problem_mark)
    }

    private func event(_ kind: YAMLEvent.Kind, _ mark: yaml_mark_t) -> YAMLEvent {
        let line = Int(clamping: mark.line)
        return unsafe YAMLEvent(kind: kind, line: line, column: source.column(line: line, column: Int(clamping: mark.column)))
    }

    private func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        unsafe pointer.map { unsafe source.text(String(cString: $0)) }
    }
}
