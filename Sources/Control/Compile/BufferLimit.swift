/// `per_connection_buffer_limit_bytes`.
enum BufferLimit {
    /// 0 is Envoy's "no limit": as many bytes as the field could say.
    static func bytes(_ value: UInt32) -> Int { value == 0 ? Int(UInt32.max) : Int(value) }
}
