// The forms in which a profile is answered, made on a thread of their own: symbols are looked up in files.

import Control

enum ProfileFormat: String {
    case pprof, folded, json, gperftools

    private var contentType: String {
        switch self {
        case .pprof, .gperftools: AdminResponse.binary
        case .folded: AdminResponse.text
        case .json: AdminResponse.json
        }
    }

    func bytes(_ profile: Profile) -> [UInt8] {
        let code = CodeMap(profile.stacks.map(\.frames))
        return switch self {
        case .pprof: PprofFile.bytes(profile, code)
        case .folded: ProfileTexts.folded(profile, code)
        case .json: ProfileTexts.json(profile, code)
        case .gperftools: ProfileTexts.perftools(profile, code)
        }
    }

    func response(_ profile: Profile) -> AdminResponse {
        WorkBody.response(contentType) { bytes(profile) }
    }

    func response(body: BodySource) -> AdminResponse { AdminResponse(contentType: contentType, body: body) }
}
