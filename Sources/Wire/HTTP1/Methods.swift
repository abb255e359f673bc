// Method names: those that the path asks about by enum, and those that Envoy accepts without `allow_custom_methods`.

import CMartlet
import Primitives

package enum Methods {
    // HOT: per message.
    package static func method(_ text: Bytes) -> Method {
        guard text.count >= 3, text.count <= 7 else { return .other }
        switch text[0] {
        case 0x47: return text.equals(Bytes("GET")) ? .get : .other
        case 0x48: return text.equals(Bytes("HEAD")) ? .head : .other
        case 0x50:
            if text.equals(Bytes("POST")) { return .post }
            if text.equals(Bytes("PUT")) { return .put }
            return text.equals(Bytes("PATCH")) ? .patch : .other
        case 0x44: return text.equals(Bytes("DELETE")) ? .delete : .other
        case 0x43: return text.equals(Bytes("CONNECT")) ? .connect : .other
        case 0x4f: return text.equals(Bytes("OPTIONS")) ? .options : .other
        case 0x54: return text.equals(Bytes("TRACE")) ? .trace : .other
        default: return .other
        }
    }

    /// RFC 9110 §9.1: a token.
    package static func isToken(_ text: Bytes) -> Bool {
        var i = 0
        while i < text.count {
            if martlet_token_byte(text[i]) == 0 { return false }
            i &+= 1
        }
        return !text.isEmpty
    }

    /// Beside those of `Method`: what Envoy's parser knows.
    package static func isRegistered(_ text: Bytes) -> Bool {
        var names = TokenList(registered)
        while let name = names.next() {
            if name.equals(text) { return true }
        }
        return false
    }

    private static var registered: Bytes {
        Bytes(
            """
            ACL,BIND,CHECKOUT,COPY,LINK,LOCK,MERGE,MKACTIVITY,MKCALENDAR,MKCOL,MOVE,MSEARCH,NOTIFY,PROPFIND,\
            PROPPATCH,PURGE,REBIND,REPORT,SEARCH,SOURCE,SUBSCRIBE,UNBIND,UNLINK,UNLOCK,UNSUBSCRIBE
            """ as StaticString)
    }
}
