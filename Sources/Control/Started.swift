// One word that a thread sets once everything that it has written before may be read.

import CMartlet

enum Started {
    static func read(_ word: UnsafePointer<UInt64>) -> UInt64 { unsafe cmartlet_load_acquire(word) }
    static func write(_ word: UnsafeMutablePointer<UInt64>) { unsafe cmartlet_store_release(word, 1) }
}
